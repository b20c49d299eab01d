"""The Runs table in memory, with the changes that its stream would contain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from baton.domain.errors import AttemptSuperseded, NotFound, Overloaded, ResponseAlreadyStored
from baton.domain.live.messages import Change
from baton.domain.pages import Page
from baton.domain.prompts import Reference, Sources
from baton.domain.runs.responses import NextPayload, PartialAnswer, Response
from baton.domain.runs.run import Run, RunHistory, Status, Variables, after_response, payload_started
from baton.domain.runs.snapshots import PayloadSnapshot
from baton.domain.runs.steps import StepRecords


@dataclass(kw_only=True)
class _Partition:
    run: Run
    variables: Variables
    snapshots: Mapping[int, PayloadSnapshot]
    responses: dict[int, Response] = field(default_factory=dict)
    attempts: list[Run] = field(default_factory=list)

    def snapshot(self, position: int, versions: Mapping[str, Mapping[int, PayloadSnapshot]]) -> PayloadSnapshot | None:
        """The snapshot that the run executes at this position."""
        version = self.run.snapshot_version(position) if position < self.run.total else None
        return (self.snapshots if version is None else versions[version]).get(position)


class FakeRuns:
    """A RunStore. ``changes`` are the writes of runs and responses so far, oldest first."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._last_ids: dict[str, tuple[int, int]] = {}
        self.versions: dict[str, Mapping[int, PayloadSnapshot]] = {}

    def reserve_ids(self, tenant: str, responses: int) -> tuple[int, int]:
        run_id, response_id = self._last_ids.get(tenant, (0, 0))
        self._last_ids[tenant] = (run_id + 1, response_id + responses)
        return run_id + 1, response_id + 1

    def reserve_response_ids(self, tenant: str, responses: int) -> int:
        run_id, response_id = self._last_ids.get(tenant, (0, 0))
        self._last_ids[tenant] = (run_id, response_id + responses)
        return response_id + 1

    def create(
        self,
        run: Run,
        variables: Variables,
        snapshots: Sequence[PayloadSnapshot],
        seconds: float = 20.0,
    ) -> None:
        if seconds <= 0:
            raise Overloaded
        by_position = {snapshot.position: snapshot for snapshot in snapshots}
        self._partitions[run.tenant, run.id] = _Partition(run=run, variables=variables, snapshots=by_position)
        self._log(None, run)

    def read(self, tenant: str, run_id: int) -> Run:
        return self._partition(tenant, run_id).run

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        stored = self._partition(tenant, run_id)
        responses = tuple(
            replace(stored.responses[position], prompt=None, prompt_key=None, prompt_bytes=None, prompt_truncated=False)
            for position in sorted(stored.responses)
        )
        return RunHistory(
            run=stored.run, variables=stored.variables, responses=responses, attempts=tuple(stored.attempts)
        )

    def store_snapshots(self, run: Run, snapshots: Sequence[PayloadSnapshot]) -> str:
        version = f"{run.id}-{len(self.versions) + 1}"
        self.versions[version] = {snapshot.position: snapshot for snapshot in snapshots}
        return version

    def read_snapshots(self, run: Run) -> Sequence[PayloadSnapshot]:
        stored = self.find(run.tenant, run.id)
        found = [stored.snapshot(position, self.versions) for position in range(run.total)] if stored else []
        return [snapshot for snapshot in found if snapshot]

    def read_variables(self, tenant: str, run_id: int) -> Variables:
        stored = self.find(tenant, run_id)
        return stored.variables if stored else {}

    def read_attempts(self, tenant: str, run_id: int) -> Sequence[Run]:
        stored = self._partition(tenant, run_id)
        return [*stored.attempts, stored.run]

    def read_responses(self, tenant: str, run_id: int, limit: int, after: int | None) -> Page[Response]:
        stored = self.find(tenant, run_id)
        responses = stored.responses if stored else {}
        following = [responses[position] for position in sorted(responses) if after is None or position > after]
        last = following[limit - 1].position if len(following) > limit else None
        return Page(items=following[:limit], next_after=last)

    def read_response(self, tenant: str, run_id: int, position: int) -> Response:
        stored = self._partition(tenant, run_id)
        if position not in stored.responses:
            raise NotFound(f"response of run {run_id} at position", position)
        return stored.responses[position]

    def page(
        self, tenant: str, status: Status | None, workflow_id: int | None, limit: int, after: int | None
    ) -> Page[Run]:
        matching = [
            stored.run
            for (owner, run_id), stored in sorted(self._partitions.items(), reverse=True)
            if owner == tenant
            and (after is None or run_id < after)
            and status in (None, stored.run.status)
            and workflow_id in (None, stored.run.workflow_id)
        ]
        return Page(items=matching[:limit], next_after=matching[limit - 1].id if len(matching) > limit else None)

    def delete(self, run: Run) -> None:
        self._check_unchanged(run)
        del self._partitions[run.tenant, run.id]

    def find(self, tenant: str, run_id: int) -> _Partition | None:
        """All records of one run."""
        return self._partitions.get((tenant, run_id))

    def write(self, run: Run) -> None:
        """Replace the run's item without a condition."""
        stored = self._partition(run.tenant, run.id)
        old, stored.run = stored.run, run
        self._log(old, run)

    def write_response(self, response: Response, after: Run) -> None:
        """Store the response, even over an existing one, and the run after it."""
        stored = self._partition(response.tenant, response.run_id)
        before, stored.run = stored.run, after
        stored.responses[response.position] = response
        self._log(None, response)
        self._log(before, after)

    def _partition(self, tenant: str, run_id: int) -> _Partition:
        stored = self.find(tenant, run_id)
        if stored is None:
            raise NotFound("run", run_id)
        return stored

    def change(self, run: Run, changed: Run) -> None:
        """Change only the fields that differ, as the adapter does."""
        self._check_unchanged(run)
        names = [f.name for f in fields(run) if getattr(run, f.name) != getattr(changed, f.name)]
        self.write(replace(self.read(run.tenant, run.id), **{name: getattr(changed, name) for name in names}))

    def resume(self, run: Run, resumed: Run, variables: Variables | None = None) -> None:
        self._check_unchanged(run)
        stored = self._partition(run.tenant, run.id)
        stored.attempts.append(run)
        stored.variables = stored.variables if variables is None else variables
        self.change(run, resumed)

    def _check_unchanged(self, run: Run) -> None:
        stored = self.find(run.tenant, run.id)
        if stored is None or (stored.run.status, stored.run.attempt) != (run.status, run.attempt):
            raise AttemptSuperseded(f"Run {run.id} is no longer {run.status}; read it again.")

    def write_part(self, part: PartialAnswer) -> None:
        """Publish a part of an answer."""
        self._log(None, part)

    def _log(self, old: Run | Response | None, new: Run | Response | PartialAnswer) -> None:
        self.changes.append(Change(index=len(self.changes), old=old, new=new))


class FakeSteps:
    """A StepStore on the same runs."""

    def __init__(self, runs: FakeRuns) -> None:
        self._runs = runs

    def read_step(self, tenant: str, run_id: int, position: int) -> StepRecords:
        stored = self._runs.find(tenant, run_id)
        if stored is None:
            return StepRecords(run=None, snapshot=None)
        return StepRecords(
            run=stored.run,
            snapshot=stored.snapshot(position, self._runs.versions),
            answered=position in stored.responses,
        )

    def read_sources(self, run: Run, references: Sequence[Reference]) -> Sources:
        history = self._runs.read_history(run.tenant, run.id)
        positions = {reference.position for reference in references}
        refers_to_variables = any(reference.source == "variable" for reference in references)
        return Sources(
            contents={each.position: each.content for each in history.responses if each.position in positions},
            variables=history.variables if refers_to_variables else {},
        )

    def start_payload(self, run: Run, payload: NextPayload, now: str) -> None:
        self._runs.write(payload_started(self._running(run), payload, now))

    def publish_part(self, part: PartialAnswer) -> None:
        self._runs.write_part(part)

    def record_tries(self, run: Run, tries: int, waited_seconds: int) -> None:
        self._runs.write(replace(self._running(run), tries=tries, waited_seconds=waited_seconds))

    def _running(self, run: Run) -> Run:
        stored = self._runs.find(run.tenant, run.id)
        if stored is None or stored.run.status != "running" or stored.run.attempt != run.attempt:
            raise AttemptSuperseded(f"Run {run.id} is no longer running attempt {run.attempt}.")
        return stored.run

    def store_response(self, run: Run, response: Response) -> None:
        stored = self._runs.find(response.tenant, response.run_id)
        if stored and response.position in stored.responses:
            raise ResponseAlreadyStored(response.position)
        try:
            after = after_response(self._running(run), response)
        except AttemptSuperseded:
            if stored is None or response.position >= stored.run.total:
                raise
            response = replace(response, following=None)
            counted = after_response(stored.run, response)
            after = replace(stored.run, usage=counted.usage, completed=counted.completed)
        self._runs.write_response(response, after)
