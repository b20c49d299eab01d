"""Events of the functions that serve no API: a task of the state machine, and a batch of the Runs table's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.runs.steps import Step
from baton.runtime import wiring
from baton.runtime.logging import append_keys, common_keys, log_error, logger, run_keys
from baton.usecases.live.notify_subscribers import NotifySubscribers
from baton.usecases.runs.execute_payload import ExecutePayload

MAX_CLIENTS_LOGGED = 20
"""Of one batch; its line has their number."""


def handle_step(event: Mapping[str, Any], execute_payload: ExecutePayload) -> dict[str, Any]:
    """The state after the payload, for the state machine."""
    step = Step.from_event(event)
    append_keys(**run_keys(step))
    after = execute_payload(step)
    logger.info("payload executed", tries=after.tries, outcome=after.outcome, wait_seconds=after.wait_seconds)
    return after.to_event()


def handle_batch(event: Mapping[str, Any], notify_subscribers: NotifySubscribers, seconds: float) -> dict[str, Any]:
    """The first record that was not sent, if any: Lambda delivers the batch again, starting with that record.

    ``seconds`` remain until the function's timeout.
    """
    changes, records = wiring.changes(event), len(event["Records"])
    append_keys(**common_keys([run_keys(change.new) for change in changes]))
    notified = notify_subscribers(changes, seconds)
    of_run = {change.index: run_keys(change.new) for change in changes}
    for client in notified.dropped[:MAX_CLIENTS_LOGGED]:
        logger.warning("client disconnected", connection_id=client.connection_id, **of_run[client.index])
    logger.info(
        "subscribers notified",
        records=records,
        messages=notified.messages,
        clients=notified.clients,
        gone=notified.gone,
        dropped=len(notified.dropped),
        max_lag_ms=max(notified.lags_ms, default=None),
    )
    unsent = notified.unsent
    if unsent is None:
        return wiring.batch_response(event, None)
    if unsent.error is None:
        logger.warning("batch ends early", records=records, sent=unsent.index, **of_run[unsent.index])
    else:
        log_error("subscribers not notified", unsent.error, records=records, **of_run[unsent.index])
    return wiring.batch_response(event, unsent.index)
