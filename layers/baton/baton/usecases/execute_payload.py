"""Execute one payload of a run: guard, render the prompt, call the LLM, store the response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from baton.domain.errors import AttemptSuperseded, LlmError, ReferenceMissing, ResponseAlreadyStored
from baton.domain.llm import LlmCall
from baton.domain.prompts import Reference, Sources, look_up, render
from baton.domain.runs import PayloadSnapshot, Response, Run, StepRecords, answer_metadata, reference_record
from baton.domain.steps import Jitter, Step
from baton.domain.times import timestamp
from baton.usecases.ports import Clock, Llm, Secrets, StepStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutePayload:
    """What one payload needs; ``monotonic`` is in seconds, ``jitter`` picks a wait up to a bound."""

    steps: StepStore
    llm: Llm
    secrets: Secrets
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
        if records.answered:
            return step.answered(run.total)
        if step.position >= run.total:
            return step.finished()
        return self._execute(step, run, _guarded(records, step.position))

    def _execute(self, step: Step, run: Run, snapshot: PayloadSnapshot) -> Step:
        try:
            started_at = self._start(run, snapshot)
            self.steps.store_response(self._ask(step, run, snapshot, started_at))
        except LlmError as error:
            return step.after(error, snapshot.payload_name, self.jitter)
        except ReferenceMissing as error:
            return step.failed(f"Payload {snapshot.payload_name!r} (position {snapshot.position}): {error}")
        except ResponseAlreadyStored:
            return step.answered(run.total)
        except AttemptSuperseded as error:
            return step.failed(str(error))
        return step.answered(run.total)

    def _start(self, run: Run, snapshot: PayloadSnapshot) -> str:
        """When this payload began: now, or in an earlier try."""
        if run.payload_started_at and run.position == snapshot.position:
            return run.payload_started_at
        now = timestamp(self.clock())
        self.steps.start_payload(run, snapshot, now)
        return now

    def _ask(self, step: Step, run: Run, snapshot: PayloadSnapshot, started_at: str) -> Response:
        prompt, references = _prompt(snapshot, self.steps.read_sources(run, snapshot))
        began = self.monotonic()
        answer = self.llm(self._call(run, snapshot, prompt, step.tries))
        duration_ms = round((self.monotonic() - began) * 1000)
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
            prompt=prompt,
            metadata=answer_metadata(answer, duration_ms)
            | {
                "llm_instance": snapshot.endpoint.instance_name,
                "tries": step.tries + answer.format_retries,
                "references": [reference_record(reference) for reference in references],
            },
            started_at=started_at,
            created_at=timestamp(self.clock()),
            expires_at=run.expires_at,
        )

    def _call(self, run: Run, snapshot: PayloadSnapshot, prompt: str, tries: int) -> LlmCall:
        endpoint = snapshot.endpoint
        key = self.secrets.read_api_key(run.tenant, endpoint.instance_id) if endpoint.has_api_key else None
        return LlmCall(endpoint=endpoint, settings=snapshot.settings, prompt=prompt, api_key=key, tries=tries)


def _prompt(snapshot: PayloadSnapshot, sources: Sources) -> tuple[str, tuple[Reference, ...]]:
    """What the LLM is asked, and where each reference in it came from.

    :raises ReferenceMissing: if one finds nothing and the run is to fail then.
    """
    values, references = look_up(snapshot.references, sources)
    missing = [reference.name for reference in references if reference.source == "missing"]
    if missing and snapshot.on_missing == "fail":
        raise ReferenceMissing(missing)
    if snapshot.on_missing == "empty":
        values |= dict.fromkeys(missing, "")
    return render(snapshot.template, values), references


def _guarded(records: StepRecords, position: int) -> PayloadSnapshot:
    """:raises RuntimeError: if the run's records are not as every earlier step leaves them, which is a bug."""
    if records.snapshot is None or (position > 0 and not records.previous_answered):
        raise RuntimeError(f"position {position} has no snapshot or no answer before it")
    return records.snapshot
