"""Answers that are heard while they grow, the same for every provider that sends events.

A streamed answer is put together again into the body that would have come unstreamed, and then read as that one is: so
both ways end in the same answer or the same failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from typing import Protocol

from baton.adapters.llm.reading import invalid, is_error
from baton.adapters.llm.server_sent_events import ERROR, Event, events
from baton.adapters.llm.wire import HttpReply, HttpRequest, encodable
from baton.domain.errors import LlmTimeout, LlmUnreachable
from baton.domain.llm import AnswerListener, LlmAnswer, LlmCall

DONE = "[DONE]"
"""OpenAI's last event, which gateways also send after the events of others."""

type Pieces[T] = Generator[str, None, T]
"""Of an answer's text, as they come; what is returned in the end is the whole."""

type Read = Callable[[HttpReply, LlmCall, datetime], LlmAnswer]
type ReadEvents = Callable[[Iterable[Event], LlmCall], Pieces[LlmAnswer]]


class Accumulator(Protocol):
    """Puts a body together from a provider's events."""

    @property
    def is_whole(self) -> bool:
        """Whether the model has said why it stopped: what still comes is bookkeeping."""

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""

    def take(self, value: object) -> str:
        """The text that an event adds. Raises ``LlmAnswerInvalid`` for what the API doesn't promise."""

    def body(self) -> object:
        """As it would have come unstreamed."""


class Nobody:
    """Listens to an answer that nobody listens to."""

    def begin(self) -> None: ...

    def hear(self, piece: str) -> None: ...


def listener_of(call: LlmCall) -> AnswerListener | None:
    """Who hears the answer while it grows, if it is to be streamed."""
    return None if call.settings.stream is False else call.listener


def ask(request: HttpRequest, call: LlmCall, read: Read, read_events: ReadEvents) -> LlmAnswer:
    """Send the request and read what comes, aloud if somebody listens: as a stream where it is one, asked for or not.
    Raises ``LlmError``, and what the listener raises."""
    from baton.adapters.llm.transport import stream  # noqa: PLC0415 - cold start: simulated runs never import requests

    listener = listener_of(call) or Nobody()
    listener.begin()
    with stream(request, call.timeout_seconds) as reply:
        if not isinstance(reply, HttpReply):
            return _heard(read_events(events(reply), call), listener)
        answer = read(reply, call, datetime.now(UTC))
        _hear(answer.content, listener)
        return answer


def _heard(pieces: Pieces[LlmAnswer], listener: AnswerListener) -> LlmAnswer:
    """The pieces joined are the answer's content: half of a surrogate pair waits for the other half."""
    half = ""
    while True:
        try:
            piece = half + next(pieces)
        except StopIteration as end:
            _hear(half, listener)
            answer: LlmAnswer = end.value
            return answer
        half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        _hear(piece.removesuffix(half), listener)


def _hear(text: str, listener: AnswerListener) -> None:
    if text:
        listener.hear(encodable(text))


def accumulate(sent: Iterable[Event], accumulator: Accumulator, call: LlmCall) -> Pieces[object]:
    """Yields the answer's text, and returns the body that would have come unstreamed, be it an answer or an error.

    A stream that breaks after the model had come to its end has lost counts at most, and is taken.
    """
    try:
        last = yield from _take(sent, accumulator, call)
    except (LlmUnreachable, LlmTimeout):
        if not accumulator.is_whole:
            raise
        last = DONE
    if is_error(last):
        return last
    if last != DONE and not accumulator.is_whole:
        raise LlmUnreachable(f"LLM instance {call.endpoint.instance_name!r} broke off its answer.")
    return accumulator.body()


def _take(sent: Iterable[Event], accumulator: Accumulator, call: LlmCall) -> Pieces[object]:
    """Returns what ended it: an error, ``DONE``, or ``None`` where nothing more came."""
    for event in sent:
        if event.data == DONE:
            return DONE
        value = _value(event, call)
        if is_error(value):
            return value
        if text := accumulator.take(value):
            yield text
        if accumulator.is_over:
            return DONE
    return None


def _value(event: Event, call: LlmCall) -> object:
    """What an event says; an event that is named an error says one, in whatever form."""
    try:
        value: object = json.loads(event.data)
    except (ValueError, RecursionError):
        if event.name != ERROR:
            raise invalid(call, "with an event that isn't JSON") from None
        value = event.data
    return value if event.name != ERROR or is_error(value) else {"error": value}
