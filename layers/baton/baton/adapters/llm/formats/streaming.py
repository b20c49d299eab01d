"""Streaming, the same for every provider that sends events.

A streamed answer is accumulated into the body that an unstreamed reply would have, and then read like one: streamed or
not, the result is the same answer or the same failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from baton.adapters.llm.formats.error_bodies import is_error, message_without_answer
from baton.adapters.llm.formats.finish_reasons import ERROR as FAILED
from baton.adapters.llm.formats.finish_reasons import finish_reason
from baton.adapters.llm.formats.response_parts import invalid
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.http.server_sent_events import ERROR, Event, events, is_stream
from baton.adapters.llm.http.wire import HttpReply, HttpRequest, encodable
from baton.domain.errors import LlmError, LlmUnreachable
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall

type TextChunks[T] = Generator[str, None, T]
"""Yields an answer's text chunk by chunk, and returns the whole at the end."""

type OnFinish = Callable[[], None]
"""Called when the finish reason has arrived."""

SECONDS_AFTER_FINISH = 5.0
"""The time limit for the rest of a stream after the finish reason: the rest can only contain counts, and some servers
never end a stream."""


def ignore() -> None:
    """The default ``OnFinish``: does nothing, for events that have all been received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How a provider's answers are read: ``read`` a whole reply, ``read_events`` a stream; ``is_stream`` recognises a
    stream by its first bytes, and ``events`` splits its bytes into events."""

    read: Callable[[HttpReply, LlmCall, datetime], LlmAnswer]
    read_events: Callable[[Iterable[Event], LlmCall, OnFinish], TextChunks[LlmAnswer]]
    is_stream: Callable[[bytes], bool | None] = is_stream
    events: Callable[[Iterable[bytes]], Iterable[Event]] = events


class Accumulator(Protocol):
    """Builds a body from a provider's events."""

    answer_field: str
    """The field of an unstreamed reply that contains the answer."""

    @property
    def reason(self) -> object:
        """The provider's own finish reason, ``None`` until it arrives; later events can only contain counts."""

    @property
    def is_over(self) -> bool:
        """Whether the last event has arrived."""

    def add(self, value: object) -> str:
        """Add the content of an event; returns its text. Raises ``LlmAnswerInvalid`` for an unexpected form."""

    def body(self) -> object:
        """The body of the equivalent unstreamed reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyForm:
    """How a provider's bodies are read: ``read`` a whole reply; ``accumulator`` builds the same from a stream."""

    read: Callable[[HttpReply, LlmCall, datetime], object]
    accumulator: Callable[[LlmCall], Accumulator]


class NullListener:
    """Ignores the answer."""

    def on_start(self) -> None: ...

    def on_text(self, text: str) -> None: ...


def complete_call(
    request: HttpRequest, call: LlmCall, form: AnswerForm, listener: AnswerListener | None, transport: HttpTransport
) -> LlmAnswer:
    """Send the request, read the answer and publish its text to the listener.

    The reply is read as a stream if it is one, whether or not the request demanded a stream. Raises ``LlmError``, and
    what the listener raises.
    """
    listener = listener or NullListener()
    listener.on_start()
    with transport.stream(request, call.timeout_seconds, form.is_stream) as reply:
        if not isinstance(reply, HttpReply):
            on_finish = partial(reply.end_within, SECONDS_AFTER_FINISH)
            return _publish(form.read_events(form.events(reply), call, on_finish), listener)
        answer = form.read(reply, call, datetime.now(UTC))
        _publish_text(answer.content, listener)
        return answer


def read_body(request: HttpRequest, call: LlmCall, form: BodyForm, transport: HttpTransport) -> object:
    """Send the request; the reply's body, or the equivalent of one for a stream, whether or not it is an answer.
    Raises ``LlmError``."""
    with transport.stream(request, call.timeout_seconds) as reply:
        if isinstance(reply, HttpReply):
            return form.read(reply, call, datetime.now(UTC))
        on_finish = partial(reply.end_within, SECONDS_AFTER_FINISH)
        return _publish(accumulate(events(reply), form.accumulator(call), call, on_finish), NullListener())


def _publish[T](chunks: TextChunks[T], listener: AnswerListener) -> T:
    """The published texts joined are the answer's content: half of a surrogate pair waits for the other half."""
    half = ""
    while True:
        try:
            text = half + next(chunks)
        except StopIteration as end:
            _publish_text(half, listener)
            whole: T = end.value
            return whole
        half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        _publish_text(text.removesuffix(half), listener)


def _publish_text(text: str, listener: AnswerListener) -> None:
    if text:
        listener.on_text(encodable(text))


def accumulate(
    received: Iterable[Event], accumulator: Accumulator, call: LlmCall, on_finish: OnFinish = ignore
) -> TextChunks[object]:
    """Yields the answer's text, and returns the body of the equivalent unstreamed reply, an answer or an error.

    After the finish reason, the answer is valid whatever follows: an error, an invalid event, a connection that breaks
    or stays open. Only counts may be lost.
    """
    stream = _Stream(received, accumulator, call, on_finish)
    try:
        yield from stream.texts()
    except LlmError:
        if not stream.is_finished and stream.error is None:
            raise
    if stream.error is not None and not stream.is_valid:
        return stream.error
    if not (stream.is_done or stream.is_finished):
        raise LlmUnreachable(f"LLM instance {call.endpoint.instance_name!r} broke off its answer.")
    return accumulator.body()


class _Stream:
    """The events of one answer. ``error`` is an error that the server sent instead of the answer or its rest."""

    def __init__(self, received: Iterable[Event], accumulator: Accumulator, call: LlmCall, on_finish: OnFinish) -> None:
        self._received = received
        self._accumulator = accumulator
        self._call = call
        self._on_finish = on_finish
        self.error: object = None
        self.is_done = False

    @property
    def is_finished(self) -> bool:
        """Whether the finish reason has arrived, including one that says that the provider failed."""
        return finish_reason(self._accumulator.reason) is not None

    @property
    def is_valid(self) -> bool:
        """Whether the answer is valid, whatever follows."""
        return finish_reason(self._accumulator.reason) not in (None, FAILED)

    def texts(self) -> Iterator[str]:
        for event in self._received:
            self.is_done = event.is_done
            if not event.is_done and (text := self._add(_value(event, self._call))):
                yield text
            if self.is_done:
                return

    def _add(self, value: object) -> str:
        if is_error(value):
            self.error = value
            self.is_done = not self.is_valid
            return ""
        if _is_error_without_a_known_form(value, self._accumulator.answer_field):
            self.error = value
        was_finished = self.is_finished
        text = self._accumulator.add(value)
        if self.is_finished and not was_finished:
            self._on_finish()
        self.is_done = self._accumulator.is_over
        return text


def _is_error_without_a_known_form(value: object, answer_field: str) -> bool:
    """Whether an event is no part of an answer but has a message: it is an error, unless an answer follows.

    An event with the answer's field is no error, since it would be read as an answer of which no text was published.
    """
    if not isinstance(value, dict) or value.get("choices") or value.get(answer_field):
        return False
    return bool(message_without_answer(value))


def _value(event: Event, call: LlmCall) -> object:
    """An event's data; the data of an event named ``error`` becomes an error, whatever its form."""
    try:
        value: object = json.loads(event.data, strict=False)
    except (ValueError, RecursionError):
        if event.name != ERROR:
            raise invalid(call, "with an event that isn't JSON") from None
        value = event.data
    return value if event.name != ERROR or is_error(value) else {"error": value}
