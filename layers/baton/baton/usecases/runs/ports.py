"""Runs in storage, and their executions. Each Protocol has one adapter and one fake, held to the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from baton.domain.pages import Page
from baton.domain.prompts import Reference, Sources
from baton.domain.runs.run import (
    PartialAnswer,
    PayloadSnapshot,
    Response,
    Run,
    RunHistory,
    Status,
    StepRecords,
    Variables,
)


class RunHistories(Protocol):
    """What has happened in a run so far."""

    def read(self, tenant: str, run_id: int) -> Run:
        """:raises NotFound:"""

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        """The run with all responses so far, without their prompts; a long text is read as its beginning.

        :raises NotFound:
        """


class RunStore(RunHistories, Protocol):
    """Whole runs: their snapshots, their status and what they answered."""

    def reserve_ids(self, tenant: str, responses: int) -> tuple[int, int]:
        """A new run id, and the first of so many new response ids."""

    def create(
        self, run: Run, variables: Variables, snapshots: Sequence[PayloadSnapshot], seconds: float = ...
    ) -> None:
        """Write the run; it can be read only once all of it is there.

        :raises Overloaded: if it can't be written within so many seconds.
        """

    def read_snapshots(self, tenant: str, run_id: int) -> Sequence[PayloadSnapshot]:
        """What the run executes, in order; an unknown run has none."""

    def read_responses(self, tenant: str, run_id: int, limit: int, after: int | None) -> Page[Response]:
        """By position, ``after`` one; an unknown run has none. A long text is read as its beginning."""

    def read_response(self, tenant: str, run_id: int, position: int) -> Response:
        """The response at a position; a long text is read as its beginning.

        :raises NotFound: if there is no such run, or it has not answered there.
        """

    def page(
        self, tenant: str, status: Status | None, workflow_id: int | None, limit: int, after: int | None
    ) -> Page[Run]:
        """Newest first; an empty page may still have more after it."""

    def change(self, run: Run, changed: Run) -> None:
        """Write what differs.

        :raises AttemptSuperseded: if the run has changed its status since it was read.
        """

    def delete(self, run: Run) -> None:
        """Remove a finished run with everything that belongs to it.

        :raises AttemptSuperseded: if the run has changed its status meanwhile.
        """


class LongTexts(Protocol):
    """The texts of responses that are too long to be read with them, by their keys."""

    def beginning(self, key: str, max_bytes: int) -> str:
        """At most so many bytes of it, of whole characters."""

    def url(self, key: str, seconds: int) -> str:
        """Where a client can read the whole of it for so long."""


class StepStore(Protocol):
    """The part of a run that one payload reads and writes, at the same cost at every position."""

    def read_step(self, tenant: str, run_id: int, position: int) -> StepRecords:
        """All that the guard of a payload asks, in one read."""

    def read_sources(self, run: Run, references: Sequence[Reference]) -> Sources:
        """The answers that are referred to, and the run's variables if one of them is; in one read."""

    def start_payload(self, run: Run, snapshot: PayloadSnapshot, now: str) -> None:
        """Note in the run that this payload is under way.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """

    def store_response(self, response: Response) -> None:
        """:raises ResponseAlreadyStored: if the position has one; that one stays as it is."""

    def publish_part(self, part: PartialAnswer) -> None:
        """Publish a part of an answer to subscribers, in place of the part before it."""

    def record_tries(self, run: Run, tries: int, waited_seconds: int) -> None:
        """Note in the run what was tried for the payload that is given up now.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """


class Executions(Protocol):
    """The state machine's executions, one an attempt."""

    def start(self, run: Run) -> None:
        """Begin at ``run.first_position``; starting the same attempt twice starts it once."""

    def stop(self, run: Run) -> None:
        """End the present attempt's execution, if it is still there."""
