"""Prompts: how blocks become a template, and how ``{{references}}`` in it are found, resolved and replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Source = Literal["response", "variable", "missing"]

BLOCK_SEPARATOR = "\n\n"
_REFERENCE = re.compile(r"\{\{([^{}]*)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where the value of one ``{{name}}`` comes from; ``position`` is set for a response only."""

    name: str
    source: Source
    position: int | None = None


def join_blocks(contents: Iterable[str]) -> str:
    """A payload's template: the blocks' contents in order, one blank line between them."""
    return BLOCK_SEPARATOR.join(contents)


def reference_names(template: str) -> list[str]:
    """Every name that the template refers to, once each, in order of appearance.

    A name is any text without braces; the spaces around it don't count.
    """
    return list(dict.fromkeys(match[1].strip() for match in _REFERENCE.finditer(template)))


def resolve(names: Iterable[str], earlier_payloads: Sequence[str], variables: Iterable[str]) -> tuple[Reference, ...]:
    """Decide once, for a whole run, where each name's value will come from.

    A payload earlier in the run wins over a variable, and the latest of that name wins over the ones before it.
    """
    positions = {name: position for position, name in enumerate(earlier_payloads)}
    known = frozenset(variables)

    def source_of(name: str) -> Reference:
        if name in positions:
            return Reference(name=name, source="response", position=positions[name])
        return Reference(name=name, source="variable" if name in known else "missing")

    return tuple(source_of(name) for name in names)


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace every reference that has a value, in one pass.

    A reference without a value stays exactly as it was written, and inserted text is never scanned again.
    """
    replace: Callable[[re.Match[str]], str] = lambda match: values.get(match[1].strip(), match[0])  # noqa: E731
    return _REFERENCE.sub(replace, template)
