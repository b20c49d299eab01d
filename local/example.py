"""The example workflow, and the LLM instance that answers it."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import yaml

from local.problem import Problem

FILE = Path(__file__).with_name("example.yaml")
VARIABLES = {"topic": "how a relay race is run", "audience": "a curious ten-year-old"}
SECONDS_TO_ANSWER = 35


@dataclass(frozen=True)
class LlmChoice:
    """An OpenAI-compatible server, or the simulated provider where no base URL is given."""

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


class Api:
    """Baton's HTTP API."""

    def __init__(self, http_url: str) -> None:
        self._url = http_url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment has no way to this machine's own address

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._session.request(method, self._url + path, json=body, timeout=SECONDS_TO_ANSWER)
        if not answer.ok:
            raise Problem(f"{method} {path} answered {answer.status_code}: {answer.json().get('detail', answer.text)}")
        return answer.json()

    def save(self, path: str, body: dict[str, Any]) -> int:
        """Create the definition, or replace the one that has its name; its id."""
        answer = self._session.post(self._url + path, json=body, timeout=SECONDS_TO_ANSWER)
        if answer.status_code == HTTPStatus.CONFLICT:
            holder = answer.json()["holder"]
            return int(self.call("PUT", f"{path}/{holder}", body)["id"])
        if not answer.ok:
            raise Problem(f"POST {path} answered {answer.status_code}: {answer.json().get('detail', answer.text)}")
        return int(answer.json()["id"])


def import_example(api: Api, llm: LlmChoice) -> int:
    """Save the example's definitions, names turned into ids; the workflow's id."""
    example = yaml.safe_load(FILE.read_text())
    instance = api.save("/api/llm/instances", llm.instance())
    blocks = {block["title"]: api.save("/api/blocks", block) for block in example["blocks"]}
    payloads = {
        payload["name"]: api.save(
            "/api/payloads",
            payload | {"blocks": [blocks[title] for title in payload["blocks"]], "llm_instance": instance},
        )
        for payload in example["payloads"]
    }
    workflow = example["workflow"]
    return api.save("/api/workflows", workflow | {"payloads": [payloads[name] for name in workflow["payloads"]]})
