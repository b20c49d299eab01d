"""Tell those who follow a run what its answer says, while it grows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from baton.domain.llm.tokens import estimated_tokens
from baton.domain.runs.run import PartialAnswer, PayloadSnapshot, Run
from baton.domain.times import timestamp
from baton.usecases.clock import Clock
from baton.usecases.live.ports import Connections
from baton.usecases.runs.ports import StepStore

PAUSE_SECONDS = 0.5
"""Between two parts of a run's answers."""

FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 0.5, 30.0
"""How long after one look for followers the next one comes, while there are none: twice as long each time."""

MAX_DELTA_CHARACTERS = 16_000
"""Of one part, so that it fits into a message whatever its letters; what is more comes with the next ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAnswer:
    """What telling needs; ``monotonic`` is in seconds."""

    steps: StepStore
    connections: Connections
    clock: Clock
    monotonic: Callable[[], float]

    def listener(self, run: Run, snapshot: PayloadSnapshot) -> PartialAnswerPublisher:
        """Who hears this payload's answer."""
        return PartialAnswerPublisher(self, run, snapshot)


class PartialAnswerPublisher:
    """An AnswerListener. While nobody follows the run, it writes nothing and only looks now and then.

    Whatever keeps a part from being told, the answer goes on: it is told as a whole in the end.
    """

    def __init__(self, needs: StreamAnswer, run: Run, snapshot: PayloadSnapshot) -> None:
        self._needs = needs
        self._run = run
        self._snapshot = snapshot
        self.on_start()

    def on_start(self) -> None:
        """An answer begins; what was heard of one before it is void."""
        self._untold: list[str] = []
        self._heard = self._told = 0
        self._began: float | None = None
        self._next_look = self._next_part = self._needs.monotonic() + PAUSE_SECONDS
        self._look_after = FIRST_LOOK_SECONDS
        self._is_followed = False

    def on_text(self, text: str) -> None:
        """The next piece of the answer's text; told at once, if a part is due and anybody follows."""
        now = self._needs.monotonic()
        self._began = now if self._began is None else self._began
        self._untold.append(text)
        self._heard += len(text)
        if now >= self._next_part:
            self._next_part = now + PAUSE_SECONDS
            with suppress(Exception):
                self._tell_followers(now)

    def _tell_followers(self, now: float) -> None:
        if self._followed(now):
            self._tell(now)

    def _followed(self, now: float) -> bool:
        if now >= self._next_look:
            self._is_followed = self._needs.connections.has_subscribers(self._run.tenant, self._run.id)
            self._next_look = now + (LAST_LOOK_SECONDS if self._is_followed else self._look_after)
            self._look_after = min(LAST_LOOK_SECONDS, 2 * self._look_after)
        return self._is_followed

    def _tell(self, now: float) -> None:
        text = "".join(self._untold)
        delta, rest = text[:MAX_DELTA_CHARACTERS], text[MAX_DELTA_CHARACTERS:]
        self._needs.steps.publish_part(self._part(delta, now))
        self._untold = [rest] if rest else []
        self._told += len(delta)

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
            offset=self._told,
            tokens_per_second=self._tokens_per_second(now),
            published_at=timestamp(self._needs.clock()),
            expires_at=run.expires_at,
        )

    def _tokens_per_second(self, now: float) -> float | None:
        """An estimate: what a provider sends at once may be a token, a word or a sentence."""
        seconds = now - self._began if self._began is not None else 0
        return round(estimated_tokens(self._heard) / seconds, 2) if seconds > 0 else None
