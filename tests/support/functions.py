"""The functions as Lambda calls them: each from its own folder, with an event and a context."""

from __future__ import annotations

import base64
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from tests.support.environments import running
from tests.support.events import http_event
from tests.support.routes import function_of
from tests.support.template import ROOT


@dataclass(frozen=True)
class Context:
    """The part of a Lambda context that the functions and Powertools read."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:::function:function"
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@cache
def load(folder: str) -> ModuleType:
    """The app of a function, by its folder."""
    spec = importlib.util.spec_from_file_location(f"{folder}_app", ROOT / "functions" / folder / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def invoke(folder: str, event: dict[str, Any], request_id: str = "request-1") -> dict[str, Any]:
    """Call a function with its own environment; event and result are converted to JSON and back, as in Lambda."""
    with running(folder):
        reply = load(folder).handler(json.loads(json.dumps(event)), Context(aws_request_id=request_id))
    answer: dict[str, Any] = json.loads(json.dumps(reply))
    return answer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer: its text, and the parsed body if it is JSON."""

    status: int
    headers: dict[str, str]
    text: str
    body: Any


def request(  # noqa: PLR0913 - as many parts as a request has
    method: str,
    path: str,
    body: Any = None,
    *,
    text: str | None = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request of the HTTP API, as API Gateway sends it to the function of its route.

    ``text`` is a body sent unchanged; ``body`` is sent as JSON.
    """
    sent = json.dumps(body) if body is not None else text
    return answer_of(invoke(function_of(method, path), http_event(method, path, sent, query=query, headers=headers)))


def answer_of(reply: dict[str, Any]) -> Answer:
    """The result of a function, as a client receives it from API Gateway."""
    text = reply.get("body") or ""
    if reply.get("isBase64Encoded") and "Content-Encoding" not in reply["headers"]:
        text = base64.b64decode(text).decode()
    is_json = "json" in reply["headers"].get("Content-Type", "")
    body = json.loads(text) if text and is_json else None
    return Answer(status=reply["statusCode"], headers=reply["headers"], text=text, body=body)
