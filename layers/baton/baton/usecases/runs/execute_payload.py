"""Execute one payload of a run: guard, render the prompt, call the LLM, store the response."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from baton.domain.errors import (
    AttemptSuperseded,
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmUnreachable,
    ReferenceMissing,
    ResponseAlreadyStored,
)
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.prompts import Reference, Sources, look_up
from baton.domain.runs.plan import sequence
from baton.domain.runs.run import (
    LlmTarget,
    OnMissing,
    PayloadSnapshot,
    Response,
    Run,
    StepRecords,
    answer_metadata,
    of_the_snapshot,
    references_metadata,
)
from baton.domain.runs.steps import Jitter, Step
from baton.domain.templates import render
from baton.domain.times import timestamp
from baton.usecases.clock import Clock
from baton.usecases.live.stream_answer import StreamAnswer
from baton.usecases.llm.api_keys import ApiKeys
from baton.usecases.llm.limiter import Limiter
from baton.usecases.llm.ports import Llm
from baton.usecases.runs.ports import StepStore

FAULTS_OF_A_DEFINITION = (LlmRefused, LlmUnreachable, LlmAnswerInvalid)
"""An unknown model, a wrong key or a wrong base URL ends in one of these, and may have been corrected since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A payload that is about to be asked: by whom, with which prompt, and since when."""

    step: Step
    run: Run
    snapshot: PayloadSnapshot
    call: LlmCall
    references: tuple[Reference, ...]
    started_at: str

    @property
    def id(self) -> str:
        """The same for every delivery of this payload in this attempt."""
        return f"{self.run.id}.{self.run.attempt}.{self.snapshot.position}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutePayload:
    """What one payload needs; ``monotonic`` is in seconds, ``jitter`` picks a wait up to a bound."""

    steps: StepStore
    llm: Llm
    api_keys: ApiKeys
    limiter: Limiter
    stream_answer: StreamAnswer
    clock: Clock
    monotonic: Callable[[], float]
    jitter: Jitter

    def __call__(self, step: Step) -> Step:
        """The state after this payload. Every failure that has a name is in it; any other is raised.

        May be delivered twice: a response that is stored is never made again.
        """
        records = self.steps.read_step(step.tenant, step.run_id, step.position)
        run = records.run
        if run is None or run.status != "running" or run.attempt != step.attempt:
            return step.failed("The run no longer waits for this attempt.")
        plan = sequence(run.total)
        if step.position in records.done:
            return step.answered(plan)
        if step.position not in plan:
            return step.finished()
        return self._execute(step, run, _guarded(records, step.position))

    def _execute(self, step: Step, run: Run, snapshot: PayloadSnapshot) -> Step:
        try:
            asking = self._asking(step, run, snapshot)
            wait = self.limiter.acquire(run.tenant, asking.id, asking.call, reserved=step.reserved)
            if wait.seconds:
                return step.waiting(wait.seconds, reserved=wait.reserved)
            self._ask(asking)
        except LlmError as error:
            return self._after(error, step, run, snapshot)
        except ReferenceMissing as error:
            return step.failed(f"{_place(snapshot)}{error}", of_the_snapshot(run))
        except ResponseAlreadyStored:
            return step.answered(sequence(run.total))
        except AttemptSuperseded as error:
            return step.failed(str(error))
        return step.answered(sequence(run.total))

    def _after(self, error: LlmError, step: Step, run: Run, snapshot: PayloadSnapshot) -> Step:
        """Wait, or ask the next instance; with the last one given up, so is the run."""
        after = step.after(error, self.jitter)
        if after.outcome != "failed":
            return after
        if step.fallback + 1 < len(snapshot.targets):
            return after.fallen_back()
        with suppress(AttemptSuperseded):
            self.steps.note_tries(run, after.all_tries, after.waited_seconds)
        advice = of_the_snapshot(run) if isinstance(error, FAULTS_OF_A_DEFINITION) else ""
        return after.failed(f"{_place(snapshot)}{after.error}", advice)

    def _asking(self, step: Step, run: Run, snapshot: PayloadSnapshot) -> PreparedCall:
        started_at = self._start(run, snapshot)
        target = snapshot.targets[step.fallback]
        sources = self.steps.read_sources(run, snapshot.references_with(target))
        prompt, rendered, references = _rendered(snapshot, target, sources, run.on_missing)
        call = self._call(run, rendered, prompt, step.tries)
        return PreparedCall(
            step=step, run=run, snapshot=snapshot, call=call, references=references, started_at=started_at
        )

    def _start(self, run: Run, snapshot: PayloadSnapshot) -> str:
        """When this payload began: now, or in an earlier try."""
        if run.payload_started_at and run.position == snapshot.position:
            return run.payload_started_at
        now = timestamp(self.clock())
        self.steps.start_payload(run, snapshot, now)
        return now

    def _call(self, run: Run, target: LlmTarget, prompt: str, tries: int) -> LlmCall:
        endpoint = target.endpoint
        key = self.api_keys.for_call(run.tenant, endpoint)
        return LlmCall(endpoint=endpoint, settings=target.settings, prompt=prompt, api_key=key, tries=tries)

    def _ask(self, asking: PreparedCall) -> None:
        run = asking.run
        with self.limiter.hold_slot(run.tenant, asking.id, asking.call) as slot:
            began = self.monotonic()
            slot.answer = self.llm(asking.call, self._listener(asking))
            duration_ms = round((self.monotonic() - began) * 1000)
            self.steps.store_response(self._response(asking, slot.answer, duration_ms))

    def _listener(self, asking: PreparedCall) -> AnswerListener | None:
        """``None`` if the settings turn streaming off."""
        if asking.call.settings.stream is False:
            return None
        return self.stream_answer.listener(asking.run, asking.snapshot)

    def _response(self, asking: PreparedCall, answer: LlmAnswer, duration_ms: int) -> Response:
        run, snapshot = asking.run, asking.snapshot
        return Response(
            tenant=run.tenant,
            id=run.first_response_id + snapshot.position,
            run_id=run.id,
            workflow_id=run.workflow_id,
            payload_id=snapshot.payload_id,
            payload_name=snapshot.payload_name,
            position=snapshot.position,
            total=run.total,
            attempt=run.attempt,
            content=answer.content,
            prompt=asking.call.prompt,
            metadata=answer_metadata(answer, duration_ms) | _provenance(asking, answer),
            started_at=asking.started_at,
            created_at=timestamp(self.clock()),
            expires_at=run.expires_at,
        )


def _provenance(asking: PreparedCall, answer: LlmAnswer) -> dict[str, Any]:
    """Who answered, and what was tried and waited before."""
    step, targets = asking.step, asking.snapshot.targets
    told: dict[str, Any] = {
        "llm_instance": asking.call.endpoint.instance_name,
        "tries": step.all_tries + answer.format_retries,
        "waited_seconds": step.waited_seconds,
        **references_metadata(asking.references),
    }
    if step.fallback:
        told["fallback_from"] = [target.endpoint.instance_name for target in targets[: step.fallback]]
    if step.cause:
        told["last_failure"] = step.cause
    return told


def _place(snapshot: PayloadSnapshot) -> str:
    return f"Payload {snapshot.payload_name!r} (position {snapshot.position}): "


def _rendered(
    snapshot: PayloadSnapshot, target: LlmTarget, sources: Sources, on_missing: OnMissing
) -> tuple[str, LlmTarget, tuple[Reference, ...]]:
    """What the LLM is asked, the target with its system text, and where each reference in them came from.

    :raises ReferenceMissing: if one finds nothing and the run is to fail then.
    """
    values, references = look_up(snapshot.references_with(target), sources)
    missing = list(dict.fromkeys(reference.name for reference in references if reference.source == "missing"))
    if missing and on_missing == "fail":
        raise ReferenceMissing(missing)
    drop = on_missing == "empty"
    if drop:
        values |= dict.fromkeys(missing, "")
    prompt = render(snapshot.template, values, drop_missing=drop)
    if target.settings.system is None:
        return prompt, target, references
    system = render(target.settings.system, values, drop_missing=drop)
    return prompt, replace(target, settings=replace(target.settings, system=system)), references


def _guarded(records: StepRecords, position: int) -> PayloadSnapshot:
    """:raises RuntimeError: if the run's records are not as every earlier step leaves them, which is a bug."""
    if records.snapshot is None or not records.done.issuperset(records.snapshot.after):
        raise RuntimeError(f"position {position} has no snapshot or no answer before it")
    return records.snapshot
