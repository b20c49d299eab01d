"""Templates: join blocks, find their ``{{references}}`` and replace them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

MAX_NAME_CHARACTERS = 300
"""Longer text between braces is not a reference."""

MAX_WRITTEN_CHARACTERS = 4 * MAX_NAME_CHARACTERS
"""The same before normalisation: a letter may be written as up to four code points."""

BLOCK_SEPARATOR = "\n\n"

_REFERENCE = re.compile(r"((?<!\\)\\)?\{\{([^{}]*)\}\}")
"""A reference, or literal text if exactly one backslash precedes it."""

_COULD_BE_A_NAME = re.compile(
    r"(?![-.#/^>!&%$@*])[^'\"`\u2018-\u201f\u00ab\u00bb|\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+(?<!-)"
)


def join_blocks(contents: Iterable[str]) -> str:
    """A payload's template: the blocks' contents in order, separated by one blank line."""
    return BLOCK_SEPARATOR.join(contents)


def normalised(name: str) -> str:
    """The name in Unicode's form NFC, in which names are compared.

    Source: https://www.unicode.org/reports/tr15/
    """
    return unicodedata.normalize("NFC", name)


def reference_names(template: str) -> list[str]:
    """The distinct names that the template refers to, normalised, in order of first appearance.

    A name is any text without braces; surrounding spaces are ignored.
    """
    names = (_name(match[2]) for match in _REFERENCE.finditer(template) if not match[1])
    return list(dict.fromkeys(name for name in names if name))


def could_be_a_name(name: str) -> bool:
    """Whether this may be the name of a payload or variable, not code of another template language.

    Code contains quotes, line breaks or ``|``, or has a prefix that names do not have:
    ``.Values.x``, ``#each``, ``/if``, ``- end -``.
    """
    return _COULD_BE_A_NAME.fullmatch(name) is not None


def render(template: str, values: Mapping[str, str], *, drop_missing: bool = False) -> str:
    """Replace every reference that has a value, in one pass; inserted text is never scanned again.

    Unresolved references are left verbatim, or removed if ``drop_missing`` and they could be a name.
    A reference after exactly one backslash is literal text; the backslash is removed.
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


def rendered_bytes(template: str, values: Mapping[str, str]) -> int:
    """The most bytes that the rendered template can have: a reference without a value counts as it is written.

    A name may occur any number of times, so this must be checked before the template is rendered.
    """
    sizes = {name: _size(value) for name, value in values.items()}
    found = (match for match in _REFERENCE.finditer(template) if not match[1])
    inserted = ((sizes.get(_name(match[2])), match[0]) for match in found)
    return _size(template) + sum(size - _size(written) for size, written in inserted if size is not None)


def prefixes(name: str) -> Iterator[tuple[str, int]]:
    """Each prefix of the name that a path may follow, and the offset of that path; the longest prefix first."""
    return ((name[:end], end) for end in range(len(name) - 1, 0, -1) if name[end] in ".[")


def _size(text: str) -> int:
    """In bytes of UTF-8; a value of a JSON answer may contain half of a surrogate pair."""
    return len(text.encode("utf-8", "surrogatepass"))


def _name(written: str) -> str:
    """The name to look up; empty if the text can't be a name."""
    stripped = written.strip()
    if len(stripped) > MAX_WRITTEN_CHARACTERS:
        return ""
    name = stripped if stripped.isascii() else normalised(stripped)
    return name if len(name) <= MAX_NAME_CHARACTERS else ""
