"""Stream an answer: publish it in parts to a run's subscribers while the LLM is still writing it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from baton.domain.llm.tokens import estimated_tokens
from baton.domain.runs.responses import PartialAnswer
from baton.domain.runs.run import Run
from baton.domain.runs.snapshots import PayloadSnapshot
from baton.domain.times import timestamp
from baton.usecases.clock import Clock
from baton.usecases.live.ports import Connections
from baton.usecases.runs.ports import StepStore

MIN_SECONDS_BETWEEN_PARTS = 0.5

FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.5, 30.0
"""The interval between two polls for subscribers while there are none; it doubles after each poll."""

MAX_DELTA_CHARACTERS = 16_000
"""Of one part, so that it fits into a message whatever its characters; the rest follows in the next parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAnswer:
    """Dependencies of streaming; ``monotonic`` is in seconds."""

    steps: StepStore
    connections: Connections
    clock: Clock
    monotonic: Callable[[], float]

    def listener(self, run: Run, snapshot: PayloadSnapshot) -> PartialAnswerPublisher:
        """The listener for the answer of this payload."""
        return PartialAnswerPublisher(self, run, snapshot)


class PartialAnswerPublisher:
    """An AnswerListener. Without subscribers it writes nothing and only polls for them.

    A failure to publish a part does not fail the answer: the whole answer is sent when it is complete.
    """

    def __init__(self, stream_answer: StreamAnswer, run: Run, snapshot: PayloadSnapshot) -> None:
        self._dependencies = stream_answer
        self._run = run
        self._snapshot = snapshot
        self.on_start()

    def on_start(self) -> None:
        """An answer starts; the text of an earlier one, if any, is discarded."""
        self._pending: list[str] = []
        self._received_chars = self._sent_chars = 0
        self._first_text_at: float | None = None
        self._next_poll_at = self._next_part_at = self._dependencies.monotonic() + MIN_SECONDS_BETWEEN_PARTS
        self._poll_interval = FIRST_POLL_SECONDS
        self._has_subscribers = False

    def on_text(self, text: str) -> None:
        """Add the next piece of the answer's text; publish a part if one is due and the run has subscribers."""
        now = self._dependencies.monotonic()
        self._first_text_at = now if self._first_text_at is None else self._first_text_at
        self._pending.append(text)
        self._received_chars += len(text)
        if now >= self._next_part_at:
            with suppress(Exception):
                self._publish_while_subscribed(now)
            self._next_part_at = self._dependencies.monotonic() + MIN_SECONDS_BETWEEN_PARTS

    def finish(self, content: str) -> int | None:
        """The number of published characters of a complete answer; the rest is published with its response.

        ``None`` if the rest was published here, because the answer is long, or its content is not the streamed text.
        The parts joined are the whole text.
        """
        is_streamed_text = self._received_chars == len(content) and content.endswith("".join(self._pending))
        if is_streamed_text and len(content) <= MAX_DELTA_CHARACTERS:
            return self._sent_chars
        with suppress(Exception):
            self._publish_rest(self._dependencies.monotonic())
        return None

    def _publish_rest(self, now: float) -> None:
        if not self._sent_chars:
            self._next_poll_at = now  # no part has been published, so there may be new subscribers
        while self._pending and (self._sent_chars or self._is_subscribed(now)):
            self._publish(now)

    def _publish_while_subscribed(self, now: float) -> None:
        if self._is_subscribed(now):
            self._publish(now)

    def _is_subscribed(self, now: float) -> bool:
        """The result of the latest poll; polls again if the next one is due."""
        if now >= self._next_poll_at:
            connections = self._dependencies.connections
            self._has_subscribers = connections.has_subscribers(self._run.tenant, self._run.id)
            self._next_poll_at = now + (MAX_POLL_SECONDS if self._has_subscribers else self._poll_interval)
            self._poll_interval = min(MAX_POLL_SECONDS, 2 * self._poll_interval)
        return self._has_subscribers

    def _publish(self, now: float) -> None:
        text = "".join(self._pending)
        delta, rest = text[:MAX_DELTA_CHARACTERS], text[MAX_DELTA_CHARACTERS:]
        self._dependencies.steps.publish_part(self._part(delta, now))
        self._pending = [rest] if rest else []
        self._sent_chars += len(delta)

    def _part(self, delta: str, now: float) -> PartialAnswer:
        run, snapshot = self._run, self._snapshot
        return PartialAnswer(
            tenant=run.tenant,
            run_id=run.id,
            workflow_id=run.workflow_id,
            payload_id=snapshot.payload_id,
            payload_name=snapshot.payload_name,
            position=snapshot.position,
            total=run.total,
            attempt=run.attempt,
            delta=delta,
            offset=self._sent_chars,
            tokens_per_second=self._tokens_per_second(now),
            published_at=timestamp(self._dependencies.clock()),
            expires_at=run.expires_at,
            correlation_id=run.correlation_id,
        )

    def _tokens_per_second(self, now: float) -> float | None:
        """An estimate: one chunk of a provider may be a token, a word or a sentence."""
        seconds = now - self._first_text_at if self._first_text_at is not None else 0
        return round(estimated_tokens(self._received_chars) / seconds, 2) if seconds > 0 else None
