"""Server-sent events out of the bytes that carry them: pure, and no longer than what is given.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. An event counts once
the blank line after it has come, so one that was cut off never does; one without data doesn't count. ``id`` and
``retry`` are for who would reconnect.

Beyond the standard: llama.cpp, until late 2025, tells an error in a field of that name, without any ``data``.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import IncrementalNewlineDecoder

ERROR = "error"
CONTENT_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``name`` is empty where none was given."""

    data: str
    name: str = ""


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


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Without what ends them, be it CR, LF or both; what follows the last end is no line."""
    begun: list[str] = []
    for text in _decoded(chunks):
        *ended, rest = text.split("\n")
        if ended:
            yield "".join((*begun, ended[0]))
            yield from ended[1:]
            begun = []
        begun.append(rest)


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
