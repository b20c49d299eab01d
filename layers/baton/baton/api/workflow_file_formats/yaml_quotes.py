"""Text that YAML takes for something else: which line it is on, and that it needs quotes.

Source: https://yaml.org/spec/1.2.2/#733-plain-style
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

BEGINS_WITH_BRACES = "text that begins with {{ means something else in YAML; quote it"

_VALUE = re.compile(r"""\s*(?:[-?]\s+)*(?:(?:"[^"]*"|'[^']*'|[^\s"'\[{@`%&*!|>][^:]*):(?:\s+|$))?(.*)""")
"""What stands behind the dashes and the key of a line."""

_IN_A_LIST = re.compile(r"\[.*\{\{")
_GOES_ON = re.compile(r""""(?:[^"\\]|\\.)*"\s*[^\s#]|'(?:[^']|'')*'\s*[^\s#]""")
_BEGINS = re.compile(r"[@`%*&!|>{}\[\],]|[-?:](?=\s)")
_COLON = re.compile(r":(?:\s|$)")


def missing_quotes(lines: Sequence[str], candidates: Iterable[int]) -> tuple[str, int] | None:
    """What to quote, and on which line (from 1 on), if one of these lines (from 0 on) looks like text without quotes.

    Only for what isn't YAML as it stands: a line that is may begin in any of these ways.
    """
    for index in candidates:
        if 0 <= index < len(lines) and (found := _sentence(lines[index])):
            return found, index + 1
    return None


def _sentence(line: str) -> str:
    match = _VALUE.match(line)
    value = match[1] if match else ""
    if value.startswith("{{") or _IN_A_LIST.match(value):
        return BEGINS_WITH_BRACES
    if _GOES_ON.match(value):
        return "text goes on behind its closing quote; quote it as a whole"
    if first := _BEGINS.match(value):
        return f"text that begins with {first[0]} means something else in YAML; quote it"
    return "text with a colon and a space in it means something else in YAML; quote it" if _COLON.search(value) else ""
