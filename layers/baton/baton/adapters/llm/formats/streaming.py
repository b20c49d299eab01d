"""Answers that are heard while they grow, the same for every provider that sends events.

A streamed answer is put together again into the body that would have come unstreamed, and then read as that one is: so
both ways end in the same answer or the same failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from baton.adapters.llm.formats.error_bodies import is_error, words_without_an_answer
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
"""For the rest of a stream after the finish reason: it can only contain counts, and some servers never end a stream."""


def ignore() -> None:
    """For events that come without waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How a provider's answers are read: ``read`` a whole reply, ``read_events`` a stream; ``is_stream`` recognises a
    stream by its first bytes, and ``events`` splits its bytes into events."""

    read: Callable[[HttpReply, LlmCall, datetime], LlmAnswer]
    read_events: Callable[[Iterable[Event], LlmCall, OnFinish], TextChunks[LlmAnswer]]
    is_stream: Callable[[bytes], bool | None] = is_stream
    events: Callable[[Iterable[bytes]], Iterable[Event]] = events


class Accumulator(Protocol):
    """Puts a body together from a provider's events."""

    @property
    def reason(self) -> object:
        """The provider's word for why the model stopped: once it is said, what still comes is bookkeeping."""

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""

    def take(self, value: object) -> str:
        """The text that an event adds. Raises ``LlmAnswerInvalid`` for what the API doesn't promise."""

    def body(self) -> object:
        """As it would have come unstreamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyForm:
    """How a provider's bodies are read: ``read`` a whole reply; ``accumulator`` builds the same from a stream."""

    read: Callable[[HttpReply, LlmCall, datetime], object]
    accumulator: Callable[[LlmCall], Accumulator]


class NullListener:
    """Ignores the answer."""

    def on_start(self) -> None: ...

    def on_text(self, text: str) -> None: ...


def ask(
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
    sent: Iterable[Event], accumulator: Accumulator, call: LlmCall, on_finish: OnFinish = ignore
) -> TextChunks[object]:
    """Yields the answer's text, and returns the body that would have come unstreamed, be it an answer or an error.

    Once the model has said why it stopped, nothing costs the answer: not an error, an event that can't be read, a
    connection that breaks or stays open. Counts may be lost.
    """
    stream = _Stream(sent, accumulator, call, on_finish)
    try:
        yield from stream.pieces()
    except LlmError:
        if not stream.is_whole and stream.error is None:
            raise
    if stream.error is not None and not stream.stands:
        return stream.error
    if not (stream.is_done or stream.is_whole):
        raise LlmUnreachable(f"LLM instance {call.endpoint.instance_name!r} broke off its answer.")
    return accumulator.body()


class _Stream:
    """The events of one answer. ``error`` is what the server said instead of an answer, or of the rest of one."""

    def __init__(self, sent: Iterable[Event], accumulator: Accumulator, call: LlmCall, on_finish: OnFinish) -> None:
        self._sent = sent
        self._accumulator = accumulator
        self._call = call
        self._on_finish = on_finish
        self.error: object = None
        self.is_done = False

    @property
    def is_whole(self) -> bool:
        """Whether the model has said why it stopped, or that its provider failed."""
        return finish_reason(self._accumulator.reason) is not None

    @property
    def stands(self) -> bool:
        """Whether it is an answer that nothing costs any more."""
        return finish_reason(self._accumulator.reason) not in (None, FAILED)

    def pieces(self) -> Iterator[str]:
        for event in self._sent:
            self.is_done = event.is_done
            if not event.is_done and (text := self._take(_value(event, self._call))):
                yield text
            if self.is_done:
                return

    def _take(self, value: object) -> str:
        if is_error(value):
            self.error = value
            self.is_done = not self.stands
            return ""
        if _is_beside_the_answer(value):
            self.error = value
        was_whole = self.is_whole
        text = self._accumulator.take(value)
        if self.is_whole and not was_whole:
            self._on_finish()
        self.is_done = self._accumulator.is_over
        return text


def _is_beside_the_answer(value: object) -> bool:
    """Whether an event that is no part of an answer has words of its own: an error, if no answer comes."""
    if not isinstance(value, dict) or value.get("choices"):
        return False
    return bool(words_without_an_answer(value))


def _value(event: Event, call: LlmCall) -> object:
    """What an event says; an event that is named an error says one, in whatever form."""
    try:
        value: object = json.loads(event.data, strict=False)
    except (ValueError, RecursionError):
        if event.name != ERROR:
            raise invalid(call, "with an event that isn't JSON") from None
        value = event.data
    return value if event.name != ERROR or is_error(value) else {"error": value}
