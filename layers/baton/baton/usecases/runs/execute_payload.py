"""Execute one payload of a run: check the run, render the prompt, call the LLM, store the response."""

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
    PromptTooLong,
    ReferenceMissing,
    ResponseAlreadyStored,
)
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmTarget
from baton.domain.llm.slots import Ticket
from baton.domain.metrics import LIMIT, cause_of, llm_answered, llm_failed, payload_answered, waited
from baton.domain.prompts import Reference, Sources, check_rendered_bytes, look_up
from baton.domain.runs.responses import Response, answer_metadata, references_metadata
from baton.domain.runs.run import OnMissing, Run, snapshot_advice
from baton.domain.runs.snapshots import PayloadSnapshot
from baton.domain.runs.steps import Jitter, Step, StepRecords
from baton.domain.templates import render
from baton.domain.times import timestamp
from baton.usecases.clock import Clock
from baton.usecases.live.stream_answer import PartialAnswerPublisher, StreamAnswer
from baton.usecases.llm.api_keys import ApiKeys
from baton.usecases.llm.limiter import Limiter
from baton.usecases.llm.ports import Llm
from baton.usecases.metrics import Metrics
from baton.usecases.runs.ports import StepStore

ERRORS_OF_A_DEFINITION = (LlmRefused, LlmUnreachable, LlmAnswerInvalid)
"""Errors that a wrong model, key or base URL causes. The definition may have been corrected since the run started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """An LLM call, ready to be made, with the records that its response is built from."""

    step: Step
    run: Run
    snapshot: PayloadSnapshot
    call: LlmCall
    references: tuple[Reference, ...]
    started_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutePayload:
    """Executes payloads. ``monotonic`` is in seconds; ``jitter`` returns a random wait up to a bound."""

    steps: StepStore
    llm: Llm
    api_keys: ApiKeys
    limiter: Limiter
    stream_answer: StreamAnswer
    metrics: Metrics
    clock: Clock
    monotonic: Callable[[], float]
    jitter: Jitter

    def __call__(self, step: Step) -> Step:
        """The state after this payload. Named failures are part of it; any other exception is raised.

        A step may be delivered twice: a stored response is never generated again.
        """
        records = self.steps.read_step(step.tenant, step.run_id, step.position)
        run = records.run
        if run is None or run.status != "running" or run.attempt != step.attempt:
            return step.failed("The run is no longer running this attempt.")
        if records.answered:
            return step.answered(run.plan)
        if step.position not in run.plan:
            return step.finished()
        return self._execute(step, run, _checked_snapshot(records, step.position))

    def _execute(self, step: Step, run: Run, snapshot: PayloadSnapshot) -> Step:
        try:
            prepared = self._prepare(step, run, snapshot)
            wait = self.limiter.acquire(run.tenant, prepared.call, reserved=step.reserved, ticket=step.ticket)
            if wait.seconds:
                self.metrics.add(waited(LIMIT, wait.seconds))
                return step.waiting(wait.seconds, reserved=wait.reserved, ticket=wait.ticket)
            self._call_llm(prepared, wait.ticket)
        except LlmError as error:
            return self._after_error(error, step, run, snapshot)
        except (ReferenceMissing, PromptTooLong) as error:
            return step.failed(f"{_label(snapshot)}{error}", snapshot_advice(run))
        except ResponseAlreadyStored:
            return step.answered(run.plan)
        except AttemptSuperseded as error:
            return step.failed(str(error))
        return step.answered(run.plan)

    def _after_error(self, error: LlmError, step: Step, run: Run, snapshot: PayloadSnapshot) -> Step:
        """Wait, continue with the next fallback, or fail the run if there is none."""
        after = step.after_error(error, self.jitter)
        if after.outcome != "failed":
            self.metrics.add(waited(cause_of(error), after.wait_seconds))
            return after
        if step.fallback + 1 < len(snapshot.targets):
            return after.fallen_back()
        with suppress(AttemptSuperseded):
            self.steps.record_tries(run, after.all_tries, after.waited_seconds)
        advice = snapshot_advice(run) if isinstance(error, ERRORS_OF_A_DEFINITION) else ""
        return after.failed(f"{_label(snapshot)}{after.error}", advice)

    def _prepare(self, step: Step, run: Run, snapshot: PayloadSnapshot) -> PreparedCall:
        started_at = self._start(run, snapshot)
        target = snapshot.targets[step.fallback]
        sources = self.steps.read_sources(run, snapshot.references_with(target))
        prompt, rendered, references = _render(snapshot, target, sources, run.on_missing)
        call = self._llm_call(run, rendered, prompt, step.tries)
        return PreparedCall(
            step=step, run=run, snapshot=snapshot, call=call, references=references, started_at=started_at
        )

    def _start(self, run: Run, snapshot: PayloadSnapshot) -> str:
        """When this payload started: with the response before it, with the run, in an earlier try, or now."""
        if run.payload_started_at and (run.position, run.payload_id) == (snapshot.position, snapshot.payload_id):
            return run.payload_started_at
        now = timestamp(self.clock())
        self.steps.start_payload(run, snapshot.payload, now)
        return now

    def _llm_call(self, run: Run, target: LlmTarget, prompt: str, tries: int) -> LlmCall:
        endpoint = target.endpoint
        key = self.api_keys.for_call(run.tenant, endpoint)
        return LlmCall(endpoint=endpoint, settings=target.settings, prompt=prompt, api_key=key, tries=tries)

    def _call_llm(self, prepared: PreparedCall, ticket: Ticket | None) -> None:
        with self.limiter.hold_slot(prepared.run.tenant, prepared.call, ticket) as slot:
            listener = self._listener(prepared)
            slot.answer, duration_ms = self._answer(prepared, listener)
            published = listener.finish(slot.answer.content) if listener else None
            response = self._response(prepared, slot.answer, duration_ms, published)
            self.steps.store_response(prepared.run, response)
            self.metrics.add(payload_answered(response))

    def _answer(self, prepared: PreparedCall, listener: PartialAnswerPublisher | None) -> tuple[LlmAnswer, int]:
        """The answer and the duration of the call in milliseconds."""
        started = self.monotonic()
        try:
            answer = self.llm(prepared.call, listener)
        except LlmError as error:
            self.metrics.add(llm_failed(prepared.call.endpoint, error))
            raise
        duration_ms = round((self.monotonic() - started) * 1000)
        self.metrics.add(llm_answered(prepared.call.endpoint, answer, duration_ms))
        return answer, duration_ms

    def _listener(self, prepared: PreparedCall) -> PartialAnswerPublisher | None:
        """``None`` if the settings turn streaming off."""
        if prepared.call.settings.stream is False:
            return None
        return self.stream_answer.listener(prepared.run, prepared.snapshot)

    def _response(
        self, prepared: PreparedCall, answer: LlmAnswer, duration_ms: int, published_characters: int | None
    ) -> Response:
        run, snapshot = prepared.run, prepared.snapshot
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
            prompt=prepared.call.prompt,
            metadata=answer_metadata(answer, duration_ms) | _provenance(prepared, answer),
            following=snapshot.following,
            published_characters=published_characters,
            started_at=prepared.started_at,
            created_at=timestamp(self.clock()),
            expires_at=run.expires_at,
            correlation_id=run.correlation_id,
        )


def _provenance(prepared: PreparedCall, answer: LlmAnswer) -> dict[str, Any]:
    """Which instance answered, and the tries and waits before its answer."""
    step, targets = prepared.step, prepared.snapshot.targets
    provenance: dict[str, Any] = {
        "llm_instance": prepared.call.endpoint.instance_name,
        "tries": step.all_tries + answer.format_retries,
        "waited_seconds": step.waited_seconds,
        **references_metadata(prepared.references),
    }
    if step.fallback:
        provenance["fallback_from"] = [target.endpoint.instance_name for target in targets[: step.fallback]]
    if step.cause:
        provenance["last_failure"] = step.cause
    return provenance


def _label(snapshot: PayloadSnapshot) -> str:
    return f"Payload {snapshot.payload_name!r} (position {snapshot.position}): "


def _render(
    snapshot: PayloadSnapshot, target: LlmTarget, sources: Sources, on_missing: OnMissing
) -> tuple[str, LlmTarget, tuple[Reference, ...]]:
    """The prompt, the target with its rendered system text, and the source of each reference in them.

    :raises ReferenceMissing: if a reference has no value and ``on_missing`` is ``fail``.
    :raises PromptTooLong: if the texts would be too long.
    """
    values, references = look_up(snapshot.references_with(target), sources)
    missing = list(dict.fromkeys(reference.name for reference in references if reference.source == "missing"))
    if missing and on_missing == "fail":
        raise ReferenceMissing(missing)
    drop = on_missing == "empty"
    if drop:
        values |= dict.fromkeys(missing, "")
    check_rendered_bytes((snapshot.template, target.settings.system or ""), values)
    prompt = render(snapshot.template, values, drop_missing=drop)
    if target.settings.system is None:
        return prompt, target, references
    system = render(target.settings.system, values, drop_missing=drop)
    return prompt, replace(target, settings=replace(target.settings, system=system)), references


def _checked_snapshot(records: StepRecords, position: int) -> PayloadSnapshot:
    """:raises RuntimeError: if a record that earlier steps write is missing, which is a bug."""
    run, snapshot = records.run, records.snapshot
    if run is None or snapshot is None or any(before >= run.completed for before in snapshot.after):
        raise RuntimeError(f"position {position} has no snapshot or no answer before it")
    return snapshot
