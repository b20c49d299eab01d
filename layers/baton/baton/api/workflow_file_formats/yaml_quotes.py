"""Finds text that needs quotes because YAML reads it as something else.

Source: https://yaml.org/spec/1.2.2/#733-plain-style
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

BEGINS_WITH_BRACES = "text that begins with {{ means something else in YAML; quote it"

_VALUE = re.compile(r"""\s*(?:[-?]\s+)*(?:(?:"[^"]*"|'[^']*'|[^\s"'\[{@`%&*!|>][^:]*):(?:\s+|$))?(.*)""")
"""The value after the dashes and the key of a line."""

_IN_A_LIST = re.compile(r"\[.*\{\{")
_CONTINUES = re.compile(r""""(?:[^"\\]|\\.)*"\s*[^\s#]|'(?:[^']|'')*'\s*[^\s#]""")
_INDICATOR = re.compile(r"[@`%*&!|>{}\[\],]|[-?:](?=\s)")
_COLON = re.compile(r":(?:\s|$)")


def missing_quotes(lines: Sequence[str], candidates: Iterable[int]) -> tuple[str, int] | None:
    """What to quote and its line, counted from 1, if one of the candidate lines, counted from 0, needs quotes.

    Only for text that isn't valid YAML: a valid line may begin in any of these ways.
    """
    for index in candidates:
        if 0 <= index < len(lines) and (found := _detail(lines[index])):
            return found, index + 1
    return None


def _detail(line: str) -> str:
    match = _VALUE.match(line)
    value = match[1] if match else ""
    if value.startswith("{{") or _IN_A_LIST.match(value):
        return BEGINS_WITH_BRACES
    if _CONTINUES.match(value):
        return "text continues after its closing quote; quote it as a whole"
    if first := _INDICATOR.match(value):
        return f"text that begins with {first[0]} means something else in YAML; quote it"
    return "text with a colon and a space in it means something else in YAML; quote it" if _COLON.search(value) else ""
