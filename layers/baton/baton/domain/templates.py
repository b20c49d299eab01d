"""Templates: how blocks become one, how ``{{references}}`` stand in it, and how they are replaced."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

MAX_NAME_CHARACTERS = 300
"""What stands between braces and is longer than any name or path is taken for text."""

MAX_WRITTEN_CHARACTERS = 4 * MAX_NAME_CHARACTERS
"""The same before it is normalised: a letter may be written as itself and up to three marks."""

BLOCK_SEPARATOR = "\n\n"

_REFERENCE = re.compile(r"((?<!\\)\\)?\{\{([^{}]*)\}\}")
"""A reference, or with exactly one backslash before it, its literal text."""

_COULD_BE_A_NAME = re.compile(
    r"(?![-.#/^>!&%$@*])[^'\"`\u2018-\u201f\u00ab\u00bb|\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+(?<!-)"
)


def join_blocks(contents: Iterable[str]) -> str:
    """A payload's template: the blocks' contents in order, one blank line between them."""
    return BLOCK_SEPARATOR.join(contents)


def normalised(name: str) -> str:
    """The name as names are compared: in Unicode's form NFC.

    Source: https://www.unicode.org/reports/tr15/
    """
    return unicodedata.normalize("NFC", name)


def reference_names(template: str) -> list[str]:
    """Every name that the template refers to, normalised, once each, in order of appearance.

    A name is any text without braces; the spaces around it don't count.
    """
    names = (_name(match[2]) for match in _REFERENCE.finditer(template) if not match[1])
    return list(dict.fromkeys(name for name in names if name))


def could_be_a_name(name: str) -> bool:
    """Whether somebody may have meant a payload or a variable, not code of another template language.

    Code has quotes, line breaks or ``|``, or begins as no name does: ``.Values.x``, ``#each``, ``/if``, ``- end -``.
    """
    return _COULD_BE_A_NAME.fullmatch(name) is not None


def render(template: str, values: Mapping[str, str], *, drop_missing: bool = False) -> str:
    """Replace every reference that has a value, in one pass; inserted text is never scanned again.

    A reference without a value stays exactly as it was written, or goes if ``drop_missing`` and it could be a name.
    A reference after exactly one backslash is literal text, and the backslash goes.
    """

    def replaced(match: re.Match[str]) -> str:
        name = _name(match[2])
        if not name:
            return match[0]
        if match[1]:
            return match[0][1:]
        if name in values:
            return values[name]
        return "" if drop_missing and could_be_a_name(name) else match[0]

    return _REFERENCE.sub(replaced, template)


def prefixes(name: str) -> Iterator[tuple[str, int]]:
    """Each beginning of the name behind which a path may follow, and where that starts; the longest first."""
    return ((name[:end], end) for end in range(len(name) - 1, 0, -1) if name[end] in ".[")


def _name(written: str) -> str:
    """The name that is looked up; empty if what is written can be none."""
    stripped = written.strip()
    if len(stripped) > MAX_WRITTEN_CHARACTERS:
        return ""
    name = stripped if stripped.isascii() else normalised(stripped)
    return name if len(name) <= MAX_NAME_CHARACTERS else ""
