"""LLM instances of the scripted provider, and workflows that use them."""

from __future__ import annotations

from typing import Any

from tests.support.deployment import Deployment

INSTANCES = "/api/llm/instances"


def instance(name: str = "llm", **more: Any) -> dict[str, Any]:
    """The body of a request that defines one."""
    return {"name": name, "provider": "scripted", "model": "m", **more}


def workflow(baton: Deployment, instance_id: int, payloads: int = 1) -> int:
    """A workflow of such payloads, p0, p1, …, all of one instance."""
    ids = [
        baton.create(
            "/api/payloads", {"name": f"p{number}", "blocks": [{"content": "Say."}], "llm_instance": instance_id}
        )
        for number in range(payloads)
    ]
    return baton.create("/api/workflows", {"name": "w", "payloads": ids})
