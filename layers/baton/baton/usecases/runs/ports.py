"""Stored runs and their executions. Each Protocol has one adapter and one fake, which run the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from baton.domain.pages import Page
from baton.domain.prompts import Reference, Sources
from baton.domain.runs.responses import NextPayload, PartialAnswer, Response
from baton.domain.runs.run import Run, RunHistory, Status, Variables
from baton.domain.runs.snapshots import PayloadSnapshot
from baton.domain.runs.steps import StepRecords


class RunHistories(Protocol):
    """The state of a run, with its variables, responses and attempts so far."""

    def read(self, tenant: str, run_id: int) -> Run:
        """:raises NotFound:"""

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        """The run with all attempts and responses so far, without prompts; only the start of a long text is read.

        :raises NotFound:
        """


class RunStore(RunHistories, Protocol):
    """Whole runs: their snapshots, status and responses."""

    def reserve_ids(self, tenant: str, responses: int) -> tuple[int, int]:
        """A new run id, and the first of ``responses`` new, consecutive response ids."""

    def reserve_response_ids(self, tenant: str, responses: int) -> int:
        """The first of ``responses`` new, consecutive response ids."""

    def create(
        self, run: Run, variables: Variables, snapshots: Sequence[PayloadSnapshot], seconds: float = ...
    ) -> None:
        """Write the run; it can be read only after all of its records are written.

        :raises Overloaded: if it can't be written within so many seconds.
        """

    def store_snapshots(self, run: Run, snapshots: Sequence[PayloadSnapshot]) -> str:
        """Store further snapshots beside those of the run, and return their version, which no run has yet.

        :raises Overloaded: if they can't be written in time.
        """

    def read_snapshots(self, run: Run) -> Sequence[PayloadSnapshot]:
        """The payloads that the run executes, in order; empty for an unknown run."""

    def read_variables(self, tenant: str, run_id: int) -> Variables:
        """The variables of the run; empty for an unknown run."""

    def read_attempts(self, tenant: str, run_id: int) -> Sequence[Run]:
        """The attempts in order: the run as it was at the end of each, and as it is now for the current one.

        :raises NotFound:
        """

    def read_responses(self, tenant: str, run_id: int, limit: int, after: int | None) -> Page[Response]:
        """By position, starting after ``after``; empty for an unknown run. Only the start of a long text is read."""

    def read_response(self, tenant: str, run_id: int, position: int) -> Response:
        """The response at a position; only the start of a long text is read.

        :raises NotFound: if there is no such run, or it has no response at this position.
        """

    def page(
        self, tenant: str, status: Status | None, workflow_id: int | None, limit: int, after: int | None
    ) -> Page[Run]:
        """Newest first. With both filters, a page may be shorter than ``limit``, even empty, without being the last."""

    def change(self, run: Run, changed: Run) -> None:
        """Write the fields that differ.

        :raises AttemptSuperseded: if the run's status or attempt has changed since it was read.
        """

    def resume(self, run: Run, resumed: Run, variables: Variables | None = None) -> None:
        """Write the fields that differ, the attempt that has ended, and changed variables: all or none.

        :raises AttemptSuperseded: if the run's status or attempt has changed since it was read.
        """

    def delete(self, run: Run) -> None:
        """Delete a finished run with all of its records.

        :raises AttemptSuperseded: if the run's status or attempt has changed since it was read.
        """


class LongTexts(Protocol):
    """The texts that are too long to be stored with their responses, by key."""

    def beginning(self, key: str, max_bytes: int) -> str:
        """A prefix of the text: at most ``max_bytes`` bytes, of whole characters."""

    def url(self, key: str, seconds: int) -> str:
        """A URL of the whole text that is valid for ``seconds``. It must not be logged."""


class StepStore(Protocol):
    """The records of a run that one payload reads and writes; the cost is the same at every position."""

    def read_step(self, tenant: str, run_id: int, position: int) -> StepRecords:
        """Everything that the checks before a payload's execution need, in one read."""

    def read_sources(self, run: Run, references: Sequence[Reference]) -> Sources:
        """The responses and variables that the references need, in one read."""

    def start_payload(self, run: Run, payload: NextPayload, now: str) -> None:
        """Record in the run that this payload has started.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """

    def store_response(self, run: Run, response: Response) -> None:
        """Store the response and the run after it, both or neither.

        If the run is no longer running this attempt, the response is stored without the start of the next payload.

        :raises ResponseAlreadyStored: if the position has a response, which is not changed.
        :raises AttemptSuperseded: if the run was deleted, or its definition has no such position any longer; nothing is
            stored.
        """

    def publish_part(self, part: PartialAnswer) -> None:
        """Publish a part of an answer to subscribers; it replaces the previous part."""

    def record_tries(self, run: Run, tries: int, waited_seconds: int) -> None:
        """Record in the run the tries and the waiting time of a payload that has finally failed.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """


class Executions(Protocol):
    """The executions of the state machine, one per attempt."""

    def start(self, run: Run) -> None:
        """Start at ``run.first_position``; starting the same attempt again does nothing."""

    def stop(self, run: Run) -> None:
        """Stop the current attempt's execution, if it exists."""
