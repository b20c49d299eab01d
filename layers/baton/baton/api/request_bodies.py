"""Request bodies: accepted media types and sizes, decoding to text, and parsing of JSON."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.event_handler import Response

from baton.api.problems import TOO_LARGE, UNKNOWN_TYPE, problem
from baton.api.workflow_file_formats.documents import duplicate_key
from baton.api.workflow_file_formats.json_text import not_json
from baton.domain.errors import Invalid

JSON = "application/json"
MAX_DIGITS = 1000
MAX_SHOWN_CHARACTERS = 100

COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "Zstandard", b"PK\x03\x04": "ZIP"}
"""Compression formats by their first bytes."""

_REPLACED = "\ufffd"
"""A gateway replaces bytes that are not UTF-8 with this character if the media type is text."""

_LOST = 0xFF
"""Marks a byte that the gateway has replaced, so that its value is unknown."""

_LOST_MARK = bytes([_LOST, _LOST])
_FIRST_OUTSIDE_ASCII = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """The bodies that a route accepts."""

    media_types: frozenset[str]
    max_bytes: int


JSON_BODY = RequestBody(media_types=frozenset({JSON}), max_bytes=1_000_000)


def rejection(event: Mapping[str, Any], expected: RequestBody) -> Response[str] | None:
    """The problem if size, encoding or media type is not accepted; ``None`` if the body can be read."""
    body = event.get("body") or ""
    if not body:
        return None
    size = len(body) * 3 // 4 if event.get("isBase64Encoded") else len(body.encode(errors="surrogatepass"))
    if size > expected.max_bytes:
        return problem(TOO_LARGE, f"body: {size:,} bytes; at most {expected.max_bytes:,} are allowed.")
    coding = _header(event, "content-encoding").strip().lower()
    if coding not in ("", "identity"):
        detail = f"body: is compressed, by 'Content-Encoding: {coding[:MAX_SHOWN_CHARACTERS]}'; send it uncompressed."
        return problem(UNKNOWN_TYPE, detail, headers={"Accept-Encoding": "identity"})  # RFC 9110, section 15.5.16
    return _unknown_type(media_type(event), expected)


def _unknown_type(found: str, expected: RequestBody) -> Response[str] | None:
    if found in expected.media_types:
        return None
    known = " or ".join(f"'Content-Type: {known}'" for known in sorted(expected.media_types))
    return problem(UNKNOWN_TYPE, f"body: is {found[:MAX_SHOWN_CHARACTERS]!r}; send it with {known}.")


def media_type(event: Mapping[str, Any]) -> str:
    """The media type of the body, in lower case and without parameters; JSON by default."""
    return (_header(event, "content-type") or JSON).partition(";")[0].strip().lower()


def with_decoded_body(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body as text; a body of white space only becomes empty.

    :raises Invalid: if the body is not UTF-8 text.
    """
    body = event.get("body") or ""
    if not body:
        return event
    text = _text(_bytes(event, body))
    return {**event, "body": text if text.strip() else "", "isBase64Encoded": False}


def _bytes(event: Mapping[str, Any], body: str) -> bytes:
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise Invalid("body", "is marked as Base64 but is not valid Base64.") from None
    sent = body.encode(errors="surrogatepass")
    length = _header(event, "content-length")
    if _REPLACED in body and length.isdecimal() and int(length) != len(sent):
        raise _not_utf_8(body.replace(_REPLACED, "\xff").encode("latin-1", errors="replace"))
    return sent


def _text(sent: bytes) -> str:
    if _compression(sent) or _wide_encoding(sent):
        raise _not_utf_8(sent)
    try:
        return sent.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("body", f"is not UTF-8 at byte {error.start + 1:,}; send it in UTF-8.") from None


def _not_utf_8(sent: bytes) -> Invalid:
    """Names the format of the bytes if it is known. FF marks a byte that the gateway has replaced."""
    if name := _compression(sent):
        return Invalid("body", f"is compressed ({name}); send it uncompressed.")
    if name := _wide_encoding(sent):
        return Invalid("body", f"is in {name}; send it in UTF-8.")
    return Invalid("body", "is not UTF-8; send it in UTF-8.")


def _compression(sent: bytes) -> str:
    return next((name for first, name in COMPRESSED.items() if _starts_with(sent, first)), "")


def _starts_with(sent: bytes, first: bytes) -> bool:
    """Whether the body starts with these bytes; a lost byte matches any byte that is not ASCII."""
    return len(sent) >= len(first) and all(
        byte == expected or (byte == _LOST and expected >= _FIRST_OUTSIDE_ASCII)
        for byte, expected in zip(sent, first, strict=False)
    )


def _wide_encoding(sent: bytes) -> str:
    """By a byte order mark, or by the positions of zeros in the first characters."""
    if sent.startswith(_LOST_MARK):
        return "UTF-16"
    name = json.detect_encoding(sent).upper()[:6]
    return name if name in ("UTF-16", "UTF-32") else ""


def from_json(body: str) -> Any:
    """Parse strictly: Python would also accept ``NaN`` and half of a surrogate pair.

    Lists are rejected too: Powertools would use the first entry.

    :raises Invalid: if the body is not a valid JSON object.
    """
    try:
        value = json.loads(
            body,
            parse_constant=_reject_constant,
            parse_float=_finite_number,
            parse_int=_short_integer,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise Invalid("body", f"line {error.lineno}: {not_json(error)}.") from None
    if isinstance(value, list):
        raise Invalid("body", "is not a JSON object.")
    if "\\ud" in body.lower() and not _is_unicode(json.dumps(value, ensure_ascii=False)):
        raise Invalid("body", "contains half of a surrogate pair, which is not a character.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject duplicate names: the first value would be lost without an error."""
    value = dict(pairs)
    if len(value) < len(pairs):
        (name, _), *_others = Counter(name for name, _ in pairs).most_common(1)
        raise Invalid("body", f"{duplicate_key(name)}.")
    return value


def _reject_constant(name: str) -> None:
    raise Invalid("body", f"contains {name}, which is not a number in JSON.")


def _finite_number(text: str) -> float:
    if math.isinf(number := float(text)):
        raise Invalid("body", f"contains {text[:50]}, which is too large for a number.")
    return number


def _short_integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise Invalid("body", f"contains a number of {len(text):,} digits; at most {MAX_DIGITS} are allowed.")
    return int(text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _header(event: Mapping[str, Any], name: str) -> str:
    return str(event.get("headers", {}).get(name, ""))
