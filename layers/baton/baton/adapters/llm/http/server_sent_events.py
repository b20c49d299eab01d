"""Server-sent events, parsed from bytes.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. An event is
complete with the blank line after it; an event without data is ignored, and so are ``id`` and ``retry``, which are for
reconnecting.

Beyond the standard:

- The last event needs no blank line if the bytes end normally and its data is complete: JSON, or ``[DONE]``. Some
  servers omit the line.
- An event whose data is complete JSON also ends where the next one begins: some servers send one line break, not two.
- Field names are recognised in any case, with spaces or a byte order mark around them.
- llama.cpp, until late 2025, sent an error in a field named ``error``, without any ``data``.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import IncrementalNewlineDecoder

ERROR = "error"
DONE = "[DONE]"
"""OpenAI's last event, which gateways also add to the streams of other providers."""

INSIGNIFICANT = b" \t\r\n\xef\xbb\xbf"
"""White space and the bytes of a byte order mark, which may precede a body of any form."""

COMMENTS = re.compile(rb"(?:[ \t\r\n\xef\xbb\xbf]|:[^\r\n]*[\r\n])*")
"""Comments keep a connection open; they may precede a body that is no stream, too."""

STREAM = re.compile(rb"(?:data|event|id|retry)[ \t]*:|error[ \t]*:[ \t]*\{", re.IGNORECASE)
END, COMMENT = "", ":"
"""Field names for lines that are no field."""

MIN_PREFIX_BYTES = 64
"""So many bytes are enough to recognise any body."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``name`` is empty if the event has none."""

    data: str
    name: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it marks the end of the stream, in any spelling."""
        return self.data.strip(" \t\r\n\"'").upper() == DONE


def is_stream(prefix: bytes) -> bool | None:
    """Whether a body with this prefix is a stream of events; ``None`` if more bytes are needed, as after a comment.

    The content type is often wrong, so it is not used; JSON begins with a bracket, and a web page with ``<``.
    """
    content = strip_comments(prefix)
    if STREAM.match(content):
        return True
    is_known = content[:1] in (b"{", b"[", b"<") or (content[:1] != b":" and len(content) >= MIN_PREFIX_BYTES)
    return False if is_known else None


def strip_comments(body: bytes) -> bytes:
    """The body from its first line that is neither blank nor a comment."""
    comments = COMMENTS.match(body)
    return body[comments.end() :] if comments else body


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Each event as soon as it is complete, wherever the chunks begin and end."""
    name = ""
    data: list[str] = []
    for line in _lines(chunks):
        field, value = _field(line)
        if field == END or _begins_next_event(field, name, data):
            if any(data):
                yield Event("\n".join(data), name)
            name, data = "", []
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == ERROR:
            name, data = ERROR, [*data, value]
    last = Event("\n".join(data), name)
    if last.is_done or _is_json(last.data):
        yield last


def _field(line: str) -> tuple[str, str]:
    if not line.strip():
        return END, ""
    name, _, value = line.partition(":")
    return name.strip(" \t\ufeff").lower() or COMMENT, value.removeprefix(" ")


def _begins_next_event(field: str, name: str, data: list[str]) -> bool:
    """Whether the field belongs to the next event, although the blank line is missing."""
    follows = field == "data" or (field == "event" and name)
    return bool(follows) and len(data) == 1 and _is_json(data[0])


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends, which may be CR, LF or both; the last line may have none."""
    partial: list[str] = []
    for text in _decoded(chunks):
        *ended, rest = text.split("\n")
        if ended:
            yield "".join((*partial, ended[0]))
            yield from ended[1:]
            partial = []
        partial.append(rest)
    if any(partial):
        yield "".join(partial)


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
