"""Frames of AWS's event streams, with their checksums: https://smithy.io/2.0/aws/amazon-eventstream.html."""

from __future__ import annotations

import json
import struct
from binascii import crc32

TEXT = 7
"""The type of a text header."""


def frame(payload: object, **headers: str) -> bytes:
    """One message; ``message_type`` becomes the header ``:message-type``, and so on."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = b"".join(_header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + body
    return message + struct.pack("!I", crc32(message))


def event(kind: str, payload: object) -> bytes:
    """One event of this type."""
    return frame(payload, event_type=kind, content_type="application/json", message_type="event")


def exception(kind: str, message: str) -> bytes:
    """The exception that ends a stream."""
    return frame({"message": message}, exception_type=kind, content_type="application/json", message_type="exception")


def _header(name: str, value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", TEXT, len(raw)) + raw
