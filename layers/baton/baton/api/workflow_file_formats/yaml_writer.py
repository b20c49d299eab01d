"""YAML as a person would write it: texts of several lines as blocks, short lists on one line, quotes only where needed.

PyYAML is not used: it does not write a text as a block if one of its lines contains a tab or ends with a space. A plain
scalar written here is text to every YAML reader, also to those of YAML 1.1, for which ``on`` and ``012`` are not text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_UNESCAPED = "\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
"""Characters that need no escape, and that no reader treats as line breaks."""

_BLOCK = re.compile(f"[\t\n{_UNESCAPED}]+")
_PLAIN = re.compile(rf"(?:[^\W\d]|/)[{_UNESCAPED}]*")
_PLAIN_END = re.compile(r":(?:\s|$)|\s#")
_PLAIN_IN_LIST = re.compile(r"(?:[^\W\d]|/)[\w /.-]*")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_ESCAPED = re.compile(rf'["\\]|[^{_UNESCAPED}]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_CHOMPING = ("-", "")

MAX_KEY_CHARACTERS = 1000
"""A YAML reader finds the colon of a key only within 1,024 characters."""

MAX_LIST_CHARACTERS = 80


def write(document: Mapping[str, Any]) -> str:
    """The document as text, with an empty line between its sections."""
    lines: list[str] = []
    for key, value in document.items():
        if lines and lines[-1]:  # an empty line belongs to the text above it
            lines.append("")
        lines += _mapping({key: value}, 0)
    return "\n".join(lines) + "\n"


def _mapping(value: Mapping[str, Any], indent: int) -> list[str]:
    lines: list[str] = []
    for key, entry in value.items():
        text = key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _NOT_TEXT else _quoted(key)
        if len(text) > MAX_KEY_CHARACTERS:
            lines.append(f"{' ' * indent}? {text}")
            text = ""
        lines += _entry(f"{text}:", entry, indent)
    return lines


def _sequence(value: list[Any], indent: int) -> list[str]:
    lines: list[str] = []
    for entry in value:
        if isinstance(entry, dict) and entry:
            first, *others = _mapping(entry, indent + 2)
            lines += [f"{' ' * indent}- {first[indent + 2 :]}", *others]
        else:
            lines += _entry("-", entry, indent)
    return lines


def _entry(head: str, value: Any, indent: int) -> list[str]:
    """A value after its key or dash: on the same line, or indented below."""
    beginning = " " * indent + head
    if isinstance(value, str):
        return _block(beginning, value, indent + 2) if _can_be_block(value) else [f"{beginning} {_scalar(value)}"]
    if isinstance(value, list):
        line = _list_on_a_line(value)
        return [beginning, *_sequence(value, indent + 2)] if line is None else [f"{beginning} {line}"]
    if isinstance(value, dict) and value:
        return [beginning, *_mapping(value, indent + 2)]
    return [f"{beginning} {_scalar(value)}"]


def _can_be_block(text: str) -> bool:
    return "\n" in text and bool(text.strip()) and bool(_BLOCK.fullmatch(text))


def _block(beginning: str, text: str, indent: int) -> list[str]:
    """The text's own lines. If it begins with white space, the header contains the indentation."""
    content = text.rstrip("\n")
    breaks = len(text) - len(content)
    indentation = "2" if text[0] in " \t\n" else ""
    chomping = _CHOMPING[breaks] if breaks < len(_CHOMPING) else "+"
    lines = content.split("\n") + [""] * (breaks - 1)
    return [f"{beginning} |{indentation}{chomping}", *(" " * indent + line if line else "" for line in lines)]


def _list_on_a_line(value: list[Any]) -> str | None:
    """``None`` if the line would be long, or the list contains other lists or mappings."""
    if any(isinstance(entry, list | dict) or (isinstance(entry, str) and _can_be_block(entry)) for entry in value):
        return None
    line = f"[{', '.join(_scalar(entry, _PLAIN_IN_LIST) for entry in value)}]"
    return line if len(line) <= MAX_LIST_CHARACTERS else None


def _scalar(value: Any, plain: re.Pattern[str] = _PLAIN) -> str:
    if isinstance(value, str):
        return value if _can_be_plain(value, plain) else _quoted(value)
    if isinstance(value, float):
        return _fraction(value)
    return json.dumps(value)


def _can_be_plain(text: str, plain: re.Pattern[str]) -> bool:
    is_text = text == text.strip() and text.lower() not in _NOT_TEXT
    return is_text and bool(plain.fullmatch(text)) and not _PLAIN_END.search(text)


def _fraction(value: float) -> str:
    """With a decimal point: YAML 1.1 reads ``1e+16`` as text."""
    text = json.dumps(value, allow_nan=False)
    return text if "." in text else text.replace("e", ".0e")


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(character: re.Match[str]) -> str:
    code = ord(character[0])
    return _ESCAPES.get(character[0]) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")  # noqa: PLR2004
