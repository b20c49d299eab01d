"""A client of Baton's HTTP and WebSocket APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from websockets.sync.client import connect

from local.stack import Addresses
from tests.e2e.live import Listener
from tests.e2e.waiting import eventually

FINAL = {"completed", "failed", "cancelled"}
SECONDS_TO_ANSWER = 35


@dataclass(frozen=True)
class Prompt:
    """A payload to create; ``options`` control the simulated LLM. Names are unique among all tests of this tier.

    ``llm_instance`` replaces the workflow's own.
    """

    name: str
    text: str = "Say something."
    options: Mapping[str, Any] = field(default_factory=dict)
    llm_instance: int | None = None


class Baton:
    """The deployed system, over HTTP and WebSocket."""

    def __init__(self, addresses: Addresses) -> None:
        self.http_url = addresses.http_url
        self.websocket_url = addresses.websocket_url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment can't reach this machine's own address

    def close(self) -> None:
        self._session.close()

    def send(self, method: str, path: str, **request: Any) -> requests.Response:
        """Send a request and return the response, with any status."""
        return self._session.request(method, self.http_url + path, timeout=SECONDS_TO_ANSWER, **request)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The body of a call that must succeed."""
        answer = self.send(method, path, json=body)
        assert answer.ok, f"{method} {path} answered {answer.status_code}: {answer.text}"
        return answer.json() if answer.content else None

    def instance(self, name: str, **settings: Any) -> int:
        body = {"name": name, "provider": "simulated", "model": "parrot"} | settings
        return int(self.call("POST", "/api/llm/instances", body)["id"])

    def workflow(self, name: str, prompts: Sequence[Prompt], llm_instance: int | None = None) -> int:
        """A new workflow of new payloads of one block each, with a new LLM instance unless one is given."""
        llm = self.instance(f"instance of {name}") if llm_instance is None else llm_instance
        payloads = [self._payload(prompt, llm) for prompt in prompts]
        return int(self.call("POST", "/api/workflows", {"name": name, "payloads": payloads})["id"])

    def start(self, workflow_id: int, variables: Mapping[str, Any] | None = None) -> int:
        """The id of a new run."""
        body = None if variables is None else {"variables": variables}
        return int(self.call("POST", f"/api/execute/workflow/{workflow_id}", body)["runId"])

    def run(self, run_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/api/execute/run/{run_id}")
        return found

    def ended(self, run_id: int) -> dict[str, Any]:
        """The run, after it has ended."""
        return eventually(lambda: self.run(run_id), lambda run: run["status"] in FINAL)

    def eventually_answered(self, run_id: int, payloads: int) -> dict[str, Any]:
        """Wait for so many responses and return the last of them."""
        run = eventually(lambda: self.run(run_id), lambda run: len(run["responses"]) >= payloads)
        response: dict[str, Any] = run["responses"][payloads - 1]
        return response

    @contextmanager
    def listen(self, query: str = "") -> Iterator[Listener]:
        """A new connection, open inside the block."""
        with connect(self.websocket_url + query, proxy=None) as connection:
            yield Listener(connection)

    def _payload(self, prompt: Prompt, llm_instance: int) -> int:
        block = self.call("POST", "/api/blocks", {"title": f"block of {prompt.name}", "content": prompt.text})
        body = {
            "name": prompt.name,
            "blocks": [block["id"]],
            "llm_instance": llm_instance if prompt.llm_instance is None else prompt.llm_instance,
            "options": dict(prompt.options),
        }
        return int(self.call("POST", "/api/payloads", body)["id"])
