"""HTTP: execute workflows, and read, list, cancel, resume and delete runs."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from baton.api.app import new_api, respond
from baton.api.routes import runs, service
from baton.runtime.logging import redact_unexpected_errors

api = new_api(runs.router, service.router)


@redact_unexpected_errors
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request of the HTTP API."""
    return respond(api, event, context)
