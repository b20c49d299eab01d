"""Server-sent events out of the bytes that carry them: pure, and no longer than what is given.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. An event counts once
the blank line after it has come; one without data doesn't count. ``id`` and ``retry`` are for who would reconnect.

Beyond the standard:

- The last event counts without its blank line if the bytes come to an end of their own and it is whole: JSON, or
  ``[DONE]``. Some servers leave the line out.
- An event that is whole JSON also ends where the next one begins: some servers send one line break for two.
- Fields are known in any case, with spaces or a byte order mark around their names.
- llama.cpp, until late 2025, tells an error in a field of that name, without any ``data``.
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
"""OpenAI's last event, which gateways also send after the events of others."""

INSIGNIFICANT = b" \t\r\n\xef\xbb\xbf"
"""White space, and the bytes of a byte order mark, which may stand before an answer of any form."""

COMMENTS = re.compile(rb"(?:[ \t\r\n\xef\xbb\xbf]|:[^\r\n]*[\r\n])*")
"""Comments keep a connection open, and may stand before a whole answer too."""

STREAM = re.compile(rb"(?:data|event|id|retry)[ \t]*:|error[ \t]*:[ \t]*\{", re.IGNORECASE)
END, COMMENT = "", ":"
"""Of lines that are no field."""

MIN_PREFIX_BYTES = 64
"""To tell what a body is."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``name`` is empty where none was given."""

    data: str
    name: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the server says with it that nothing more comes, however it writes that."""
        return self.data.strip(" \t\r\n\"'").upper() == DONE


def is_stream(beginning: bytes) -> bool | None:
    """Whether a body that begins so is a stream of events; ``None`` if that can't be told yet, as of comments alone.

    What a server says of its body's type is often wrong; JSON begins with a bracket, and a web page with ``<``.
    """
    begun = strip_comments(beginning)
    if STREAM.match(begun):
        return True
    is_known = begun[:1] in (b"{", b"[", b"<") or (begun[:1] != b":" and len(begun) >= MIN_PREFIX_BYTES)
    return False if is_known else None


def strip_comments(beginning: bytes) -> bytes:
    """From the first line that says something, or the beginning of one."""
    found = COMMENTS.match(beginning)
    return beginning[found.end() :] if found else beginning


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Each event as soon as it is whole, wherever the chunks begin and end."""
    name = ""
    data: list[str] = []
    for line in _lines(chunks):
        field, value = _field(line)
        if field == END or _begins_anew(field, name, data):
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


def _begins_anew(field: str, name: str, data: list[str]) -> bool:
    """Whether the field is the next event's, though no blank line came before it."""
    follows = field == "data" or (field == "event" and name)
    return bool(follows) and len(data) == 1 and _is_json(data[0])


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Without what ends them, be it CR, LF or both, or the end of all."""
    begun: list[str] = []
    for text in _decoded(chunks):
        *ended, rest = text.split("\n")
        if ended:
            yield "".join((*begun, ended[0]))
            yield from ended[1:]
            begun = []
        begun.append(rest)
    if any(begun):
        yield "".join(begun)


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
