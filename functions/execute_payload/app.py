"""A task of the state machine: one payload of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baton.domain.runs.steps import Step
from baton.runtime import wiring
from baton.runtime.logging import logger, redact_unexpected_errors

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@redact_unexpected_errors
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """From the state before this payload to the state after it."""
    step = Step.from_event(event)
    after = wiring.execute_payload()(step)
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
