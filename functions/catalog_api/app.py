"""HTTP: blocks, payloads, workflows and LLM instances."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from baton.api.app import new_api, respond
from baton.api.routes import blocks, llm_instances, payloads, workflow_files, workflows
from baton.runtime.logging import redact_unexpected_errors

api = new_api(blocks.router, payloads.router, workflows.router, workflow_files.router, llm_instances.router)


@redact_unexpected_errors
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One request of the HTTP API."""
    return respond(api, event, context, workflow_files.BODIES)
