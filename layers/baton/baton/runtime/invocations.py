"""What each invocation of a function has: keys in its log lines, metrics, and no text of an unexpected error."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from baton.runtime import wiring
from baton.runtime.logging import redact_unexpected_errors, start_keys

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from baton.runtime.logging import Handler


def observed(handler: Handler) -> Handler:
    """The handler, with keys and metrics. Its metrics are written even if it fails."""
    redacting = redact_unexpected_errors(handler)

    @wraps(handler)
    def handled(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        start_keys(context.aws_request_id)
        try:
            return redacting(event, context)
        finally:
            wiring.metrics().flush()

    return handled
