"""What functions log, at any log level."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from botocore.exceptions import ClientError
from pydantic import BaseModel

from baton.api.bodies.runs import RunSummary, RunView
from baton.runtime import wiring
from baton.runtime.logging import logger
from tests.support import aws, functions, template
from tests.support.aws import Account
from tests.support.environments import running
from tests.support.events import http_event, stream_event, websocket_event
from tests.support.functions import Context, load

CANARY = "canary-of-a-prompt"

CALL = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)  # as Lambda does for LogLevel DEBUG
import app
import boto3
from botocore.stub import Stubber
from baton.runtime import wiring
client = boto3.client("ssm", region_name="local")
with Stubber(client) as stubber:
    stubber.add_response("put_parameter", {})
    client.put_parameter(Name="n", Value="sk-test-secret", Type="SecureString")
import urllib3
logging.getLogger("urllib3.connectionpool").debug("POST /v1?key=sk-test-secret")
logging.getLogger().debug("the level is on")
"""


@pytest.mark.parametrize(
    "function", sorted(path.name for path in (template.ROOT / "functions").iterdir() if path.is_dir())
)
def test_at_level_debug_no_function_logs_requests_or_responses(function: str) -> None:
    output = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=template.ROOT / "functions" / function,
        env={
            "PYTHONPATH": f"{template.ROOT / 'functions' / function}:{template.ROOT / 'layers' / 'baton'}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the level is on" in output.stdout
    assert "sk-test-secret" not in output.stdout + output.stderr


class _Counted(BaseModel):
    counts: dict[str, int]


def _invalid() -> None:
    _Counted.model_validate({"counts": {CANARY: CANARY}})


def _chained() -> None:
    try:
        json.loads(CANARY)
    except ValueError as error:
        raise KeyError(CANARY) from error


def _refused_by_aws() -> None:
    raise ClientError({"Error": {"Code": "ValidationException", "Message": CANARY}}, "PutItem")


def _not_encodable() -> None:
    (CANARY + "\ud800").encode()


def _noted() -> None:
    error = ValueError(CANARY)
    error.add_note(CANARY)
    raise error


FAILURES = [_invalid, _chained, _refused_by_aws, _not_encodable, _noted]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions' logger writes."""
    written = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


@pytest.fixture
def account() -> Iterator[Account]:
    with aws.account() as made:
        yield made


EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "execute_payload": ("execute_payload", {"tenant": "default", "run_id": 1, "attempt": 1, "position": 0, "tries": 0}),
    "notify_subscribers": ("changes", stream_event()),
    "websocket": ("follow_runs", websocket_event("CONNECT", "c")),
    "runs_api": ("run_store", http_event("GET", "/api/runs")),
    "catalog_api": ("catalog_store", http_event("GET", "/api/blocks")),
}
"""For each function: the part of the wiring that fails, and an event that uses it."""


@pytest.mark.parametrize("fail", FAILURES)
@pytest.mark.parametrize("function", sorted(EVENTS))
@pytest.mark.usefixtures("account")
def test_an_unexpected_error_is_logged_without_its_message(
    function: str, fail: Callable[[], None], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    """Nor does the raised exception contain it: Lambda logs exceptions unchanged."""
    needed, event = EVENTS[function]
    monkeypatch.setattr(wiring, needed, lambda *_: fail())
    raised, reply = "", None
    try:
        with running(function):
            reply = load(function).handler(event, Context())
    except Exception as error:  # noqa: BLE001 - any, as in Lambda
        raised = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    logged = log.getvalue()
    assert CANARY not in logged + raised + json.dumps(reply)
    assert re.search(rf"test_logs\.py:\d+ {fail.__name__}", logged)


@pytest.mark.usefixtures("account")
def test_an_invalid_view_is_logged_by_field_and_error_type(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    def broken(*_: Any) -> Any:
        return RunSummary.model_construct(id=CANARY, metadata={CANARY: CANARY})

    monkeypatch.setattr(RunView, "of_history", broken)
    monkeypatch.setattr(wiring, "run_store", _AnyRun)
    answer = functions.request("GET", "/api/runs/1")
    logged = log.getvalue()
    assert answer.status == 500
    assert RequestValidationError.__name__ in logged
    assert "response.id: int_parsing" in logged
    assert CANARY not in logged + json.dumps(answer.body)


class _AnyRun:
    def read_history(self, *_: Any) -> None:
        """Any run."""


def test_tracebacks_are_logged_in_one_place_only() -> None:
    """``exc_info`` and ``logger.exception`` would log the error's message and traceback."""
    sources = [*(template.ROOT / "layers" / "baton").rglob("*.py"), *(template.ROOT / "functions").rglob("*.py")]
    assert len(sources) > 50
    assert [path.name for path in sources if re.search(r"exc_info|logger\.exception", path.read_text())] == []
