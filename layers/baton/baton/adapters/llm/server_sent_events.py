"""Server-sent events out of the bytes that carry them: pure, and no longer than what is given.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. An event counts once
the blank line after it has come; one without data doesn't count. ``id`` and ``retry`` are for who would reconnect.

Beyond the standard:

- The last event counts without its blank line if the bytes come to an end of their own and it is whole: JSON, or
  ``[DONE]``. Some servers leave the line out.
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

STREAM = re.compile(rb":|(?:data|event|id|retry):|error:[ \t]*\{")
ENOUGH_BYTES = 64
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
    """Whether a body that begins so is a stream of events; ``None`` if that can't be told yet.

    What a server says of its body's type is often wrong; JSON begins with a bracket, and a web page with ``<``.
    """
    if STREAM.match(beginning):
        return True
    return False if beginning[:1] in (b"{", b"[", b"<") or len(beginning) >= ENOUGH_BYTES else None


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Each event as soon as it is whole, wherever the chunks begin and end."""
    name = ""
    data: list[str] = []
    for line in _lines(chunks):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == ERROR:
            name, data = ERROR, [*data, value]
        elif not line:
            if any(data):
                yield Event("\n".join(data), name)
            name, data = "", []
    last = Event("\n".join(data), name)
    if last.is_done or _is_json(last.data):
        yield last


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
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
