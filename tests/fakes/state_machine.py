"""The state machine in memory: its executions, and the states of workflow.asl.json."""

from __future__ import annotations

from dataclasses import replace

from baton.domain.runs.run import Run, Status
from baton.domain.runs.steps import Step
from baton.domain.times import timestamp
from baton.usecases.runs.execute_payload import ExecutePayload
from tests.fakes.clock import FakeClock
from tests.fakes.runs import FakeRuns


class FakeExecutions:
    """An Executions. ``running`` contains the steps that were started and not stopped, by execution name."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.started: list[str] = []
        self.running: dict[str, Step] = {}

    def start(self, run: Run) -> None:
        if self.refusal:
            raise self.refusal
        name = f"{run.tenant}-{run.id}-{run.attempt}"
        if name not in self.started:
            self.started.append(name)
            self.running[name] = Step(
                tenant=run.tenant, run_id=run.id, attempt=run.attempt, position=run.first_position
            )

    def stop(self, run: Run) -> None:
        self.running.pop(f"{run.tenant}-{run.id}-{run.attempt}", None)


class FakeStateMachine:
    """MarkRunning, ExecutePayload until it ends, MarkCompleted or MarkFailed, each with its condition."""

    def __init__(self, runs: FakeRuns, execute: ExecutePayload, clock: FakeClock) -> None:
        self._runs = runs
        self._execute = execute
        self._clock = clock

    def start(self, step: Step) -> None:
        """MarkRunning."""
        run = self._runs.read(step.tenant, step.run_id)
        if run.status in ("created", "running") and run.attempt == step.attempt:
            now = timestamp(self._clock())
            payload_started_at = run.payload_started_at or now
            started = replace(run, started_at=run.started_at or now, payload_started_at=payload_started_at)
            self._runs.write(replace(started, status="running"))

    def advance(self, step: Step) -> Step:
        """ExecutePayload, one time; a requested wait only advances the clock."""
        after = self._execute(Step.from_event(step.to_event()))
        self._clock.advance(after.wait_seconds)
        return after

    def end(self, step: Step) -> None:
        """MarkCompleted or MarkFailed."""
        run = self._runs.read(step.tenant, step.run_id)
        if run.status != "running" or run.attempt != step.attempt:
            return
        status: Status = "completed" if step.outcome == "completed" else "failed"
        completed = run.total if status == "completed" else run.completed
        ended = replace(run, status=status, completed=completed, completed_at=timestamp(self._clock()))
        self._runs.write(replace(ended, error=step.error))

    def execute(self, step: Step) -> Step:
        """The whole execution."""
        self.start(step)
        while (step := self.advance(step)).outcome in ("continue", "wait"):
            pass
        self.end(step)
        return step
