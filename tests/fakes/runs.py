"""The Runs table in memory, with what its stream would tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from baton.domain.errors import AttemptSuperseded, NotFound, ResponseAlreadyStored
from baton.domain.live.messages import Change
from baton.domain.pages import Page
from baton.domain.prompts import Reference, Sources
from baton.domain.runs.plan import completed_before, predecessors
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


@dataclass(kw_only=True)
class _Partition:
    run: Run
    variables: Variables
    snapshots: Mapping[int, PayloadSnapshot]
    responses: dict[int, Response] = field(default_factory=dict)


class FakeRuns:
    """A RunStore. ``changes`` are the writes of runs and responses so far, oldest first."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._last_ids: dict[str, tuple[int, int]] = {}

    def reserve_ids(self, tenant: str, responses: int) -> tuple[int, int]:
        run_id, response_id = self._last_ids.get(tenant, (0, 0))
        self._last_ids[tenant] = (run_id + 1, response_id + responses)
        return run_id + 1, response_id + 1

    def create(self, run: Run, variables: Variables, snapshots: Sequence[PayloadSnapshot]) -> None:
        by_position = {snapshot.position: snapshot for snapshot in snapshots}
        self._partitions[run.tenant, run.id] = _Partition(run=run, variables=variables, snapshots=by_position)
        self._log(None, run)

    def read(self, tenant: str, run_id: int) -> Run:
        return self._partition(tenant, run_id).run

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        there = self._partition(tenant, run_id)
        responses = tuple(
            replace(there.responses[position], prompt=None, prompt_key=None, prompt_bytes=None, prompt_truncated=False)
            for position in sorted(there.responses)
        )
        return RunHistory(run=there.run, variables=there.variables, responses=responses)

    def read_snapshots(self, tenant: str, run_id: int) -> Sequence[PayloadSnapshot]:
        there = self.find(tenant, run_id)
        return [there.snapshots[position] for position in sorted(there.snapshots)] if there else []

    def read_responses(self, tenant: str, run_id: int, limit: int, after: int | None) -> Page[Response]:
        there = self.find(tenant, run_id)
        responses = there.responses if there else {}
        following = [responses[position] for position in sorted(responses) if after is None or position > after]
        last = following[limit - 1].position if len(following) > limit else None
        return Page(items=following[:limit], next_after=last)

    def read_response(self, tenant: str, run_id: int, position: int) -> Response:
        there = self._partition(tenant, run_id)
        if position not in there.responses:
            raise NotFound(f"response of run {run_id} at position", position)
        return there.responses[position]

    def page(
        self, tenant: str, status: Status | None, workflow_id: int | None, limit: int, after: int | None
    ) -> Page[Run]:
        matching = [
            there.run
            for (owner, run_id), there in sorted(self._partitions.items(), reverse=True)
            if owner == tenant
            and (after is None or run_id < after)
            and status in (None, there.run.status)
            and workflow_id in (None, there.run.workflow_id)
        ]
        return Page(items=matching[:limit], next_after=matching[limit - 1].id if len(matching) > limit else None)

    def delete(self, run: Run) -> None:
        self._check_unchanged(run)
        del self._partitions[run.tenant, run.id]

    def find(self, tenant: str, run_id: int) -> _Partition | None:
        """Everything of one run."""
        return self._partitions.get((tenant, run_id))

    def write(self, run: Run) -> None:
        """Replace the run's item, whatever it was."""
        there = self._partition(run.tenant, run.id)
        old, there.run = there.run, run
        self._log(old, run)

    def write_response(self, response: Response) -> None:
        """Put the response, whatever was there; a run that is gone doesn't stop it."""
        there = self.find(response.tenant, response.run_id)
        if there:
            there.responses[response.position] = response
        self._log(None, response)

    def _partition(self, tenant: str, run_id: int) -> _Partition:
        there = self.find(tenant, run_id)
        if there is None:
            raise NotFound("run", run_id)
        return there

    def change(self, run: Run, changed: Run) -> None:
        """Only the fields that differ, as the adapter does it."""
        self._check_unchanged(run)
        names = [f.name for f in fields(run) if getattr(run, f.name) != getattr(changed, f.name)]
        self.write(replace(self.read(run.tenant, run.id), **{name: getattr(changed, name) for name in names}))

    def _check_unchanged(self, run: Run) -> None:
        there = self.find(run.tenant, run.id)
        if there is None or (there.run.status, there.run.attempt) != (run.status, run.attempt):
            raise AttemptSuperseded(f"Run {run.id} is no longer {run.status}; look at it again.")

    def write_part(self, part: PartialAnswer) -> None:
        """Tell what an answer has grown by."""
        self._log(None, part)

    def _log(self, old: Run | Response | None, new: Run | Response | PartialAnswer) -> None:
        self.changes.append(Change(index=len(self.changes), old=old, new=new))


class FakeSteps:
    """A StepStore on the same runs."""

    def __init__(self, runs: FakeRuns) -> None:
        self._runs = runs

    def read_step(self, tenant: str, run_id: int, position: int) -> StepRecords:
        there = self._runs.find(tenant, run_id)
        if there is None:
            return StepRecords(run=None, snapshot=None)
        return StepRecords(
            run=there.run,
            snapshot=there.snapshots.get(position),
            done=frozenset(there.responses.keys() & {position, *predecessors(position)}),
        )

    def read_sources(self, run: Run, references: Sequence[Reference]) -> Sources:
        history = self._runs.read_history(run.tenant, run.id)
        positions = {reference.position for reference in references}
        refers_to_variables = any(reference.source == "variable" for reference in references)
        return Sources(
            contents={each.position: each.content for each in history.responses if each.position in positions},
            variables=history.variables if refers_to_variables else {},
        )

    def start_payload(self, run: Run, snapshot: PayloadSnapshot, now: str) -> None:
        started = replace(
            self._running(run),
            position=snapshot.position,
            completed=completed_before(snapshot.position),
            payload_id=snapshot.payload_id,
            payload_name=snapshot.payload_name,
            payload_started_at=now,
        )
        self._runs.write(started)

    def publish_part(self, part: PartialAnswer) -> None:
        self._runs.write_part(part)

    def note_tries(self, run: Run, tries: int, waited_seconds: int) -> None:
        self._runs.write(replace(self._running(run), tries=tries, waited_seconds=waited_seconds))

    def _running(self, run: Run) -> Run:
        there = self._runs.find(run.tenant, run.id)
        if there is None or there.run.status != "running" or there.run.attempt != run.attempt:
            raise AttemptSuperseded(f"Run {run.id} no longer waits for attempt {run.attempt}.")
        return there.run

    def store_response(self, response: Response) -> None:
        there = self._runs.find(response.tenant, response.run_id)
        if there and response.position in there.responses:
            raise ResponseAlreadyStored(response.position)
        self._runs.write_response(response)
