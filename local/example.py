"""The example workflow and its LLM instance."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from local.problem import Problem

FILE = Path(__file__).with_name("example.yaml")
VARIABLES = {"topic": "rainbows", "audience": "a curious ten-year-old"}
SECONDS_TO_RESPOND = 35


@dataclass(frozen=True)
class LlmChoice:
    """An OpenAI-compatible server, or the simulated provider if there is no base URL."""

    base_url: str = ""
    model: str = ""
    api_key: str = ""

    def instance(self) -> dict[str, Any]:
        if not self.base_url:
            return {
                "name": "example",
                "provider": "simulated",
                "model": "parrot",
                "defaults": {"options": {"delay_seconds": 1}},
            }
        key = {"api_key": self.api_key} if self.api_key else {}
        return {"name": "example", "provider": "openai", "base_url": self.base_url, "model": self.model, **key}


SIMULATED = LlmChoice()


class Api:
    """Baton's HTTP API."""

    def __init__(self, http_url: str, seconds_to_respond: float = SECONDS_TO_RESPOND) -> None:
        self._url = http_url
        self._timeout = seconds_to_respond
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment can't reach this machine's loopback address

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return body_of(self._session.request(method, self._url + path, json=body, timeout=self._timeout))

    def send_file(self, path: str, text: str, media_type: str) -> Any:
        """Post a file unchanged."""
        response = self._session.post(
            self._url + path, data=text.encode(), headers={"Content-Type": media_type}, timeout=self._timeout
        )
        return body_of(response)

    def save(self, path: str, body: dict[str, Any]) -> int:
        """Create the definition, or replace the one with the same name; returns its id."""
        response = self._session.post(self._url + path, json=body, timeout=self._timeout)
        if response.status_code == HTTPStatus.CONFLICT:
            holder = response.json()["holder"]
            return int(self.call("PUT", f"{path}/{holder}", body)["id"])
        return int(body_of(response)["id"])


def body_of(response: requests.Response) -> Any:
    """The body of a response; ``None`` if it has none.

    :raises Problem: if the request failed.
    """
    if not response.ok:
        request = response.request
        raise Problem(f"{request.method} {request.path_url} returned {response.status_code}: {response.text}")
    return response.json() if response.content else None


def import_example(api: Api, llm: LlmChoice) -> int:
    """Save the example's LLM instance as chosen, and import the file; returns the workflow's id."""
    api.save("/api/llm/instances", llm.instance())
    response = api.send_file("/api/workflows/import", FILE.read_text(), "application/yaml")
    return int(response["workflow_id"])
