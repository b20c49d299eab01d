"""HTTP: blocks, payloads, workflows and LLM instances."""

from baton.api.app import handler_for, new_api
from baton.api.routes import blocks, llm_instances, payloads, workflow_files, workflows

api = new_api(blocks.router, payloads.router, workflows.router, workflow_files.router, llm_instances.router)
handler = handler_for(api, workflow_files.BODIES)
