"""Events of the functions that serve no API: a task of the state machine, and a batch of the Runs table's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.runs.steps import Step
from baton.runtime import wiring
from baton.runtime.logging import log_error, logger
from baton.usecases.live.notify_subscribers import NotifySubscribers
from baton.usecases.runs.execute_payload import ExecutePayload


def handle_step(event: Mapping[str, Any], execute_payload: ExecutePayload) -> dict[str, Any]:
    """The state after the payload, for the state machine."""
    step = Step.from_event(event)
    after = execute_payload(step)
    logger.info(
        "payload executed",
        tenant=step.tenant,
        run_id=step.run_id,
        attempt=step.attempt,
        position=step.position,
        tries=after.tries,
        outcome=after.outcome,
        wait_seconds=after.wait_seconds,
    )
    return after.to_event()


def handle_batch(event: Mapping[str, Any], notify_subscribers: NotifySubscribers, seconds: float) -> dict[str, Any]:
    """The first unsent record, if any: Lambda delivers the batch again, starting with that record."""
    unsent = notify_subscribers(wiring.changes(event), seconds)
    if unsent is None:
        return wiring.batch_response(event, None)
    if unsent.error is None:
        logger.warning("batch ends early", records=len(event["Records"]), sent=unsent.index)
    else:
        log_error("subscribers not notified", unsent.error, records=len(event["Records"]))
    return wiring.batch_response(event, unsent.index)
