"""An execution that started before an update continues after it: the events of each released version are understood.

Usually an execution calls the version of the function that it started with. These events are for the other cases: a
StartExecution of the old HTTP function, an alias that shifts, a version that was deleted.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from baton.domain.errors import LlmServerError
from baton.version import VERSION
from tests.support.deployment import Deployment
from tests.support.events import EVENTS
from tests.support.functions import invoke
from tests.support.template import ROOT

STEPS = EVENTS / "steps"
"""A file for each released version and for the next one, with the events that its function and its API send."""

VERSIONS = sorted(path.stem for path in STEPS.glob("*.json"))
every_version = pytest.mark.parametrize("version", VERSIONS)


def recorded(version: str, name: str) -> dict[str, Any]:
    """An event of a version: one of ``started``, ``continued``, ``waiting``, ``reserved`` and ``fallen_back``."""
    events: dict[str, dict[str, Any]] = json.loads((STEPS / f"{version}.json").read_text())
    return events[name]


def run_with(baton: Deployment, event: dict[str, Any]) -> dict[str, Any]:
    """A run of two payloads, after its end; the function receives the event instead of this version's own."""
    events = [event]

    def execute(own: dict[str, Any]) -> dict[str, Any]:
        return invoke("execute_payload", events.pop() if events and own["position"] == event["position"] else own)

    baton.payload_function = execute
    run = baton.finish(baton.execute(workflow(baton)))
    assert events == []
    return run


def workflow(baton: Deployment) -> int:
    """Two payloads; their instance allows one request a minute and has a fallback."""
    instance = {"provider": "scripted", "model": "second"}
    fallback = baton.create("/api/llm/instances", instance | {"name": "fallback"})
    limited = {"name": "llm", "model": "first", "fallback": fallback, "limits": {"requests_per_minute": 1}}
    llm = baton.create("/api/llm/instances", instance | limited)
    payloads = []
    for name in ("p0", "p1"):
        block = baton.create("/api/blocks", {"title": name, "content": name})
        payload = {"name": name, "blocks": [block], "llm_instance": llm}
        payloads.append(baton.create("/api/payloads", payload))
    return baton.create("/api/workflows", {"name": "w", "payloads": payloads})


def test_each_released_version_and_this_one_have_recorded_events() -> None:
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sorted({*released, VERSION}) == VERSIONS


def test_the_recorded_events_of_this_version_have_the_fields_that_it_sends(baton: Deployment) -> None:
    """After a release, a change of the fields is a new version with a file of its own."""
    sent: list[dict[str, Any]] = []

    def execute(event: dict[str, Any]) -> dict[str, Any]:
        sent.extend([event, invoke("execute_payload", event)])
        return sent[-1]

    baton.payload_function = execute
    baton.llm.script("a", "b")
    baton.finish(baton.execute(workflow(baton)))
    events = json.loads((STEPS / f"{VERSION}.json").read_text()).values()
    assert {frozenset(event) for event in sent} == {frozenset(event) for event in events}


@every_version
def test_the_first_event_starts_the_run(baton: Deployment, version: str) -> None:
    baton.llm.script("a", "b")
    run = run_with(baton, recorded(version, "started"))
    assert run["status"] == "completed"
    assert baton.llm.prompts == ["p0", "p1"]


@every_version
def test_the_event_after_a_response_continues_with_the_next_payload(baton: Deployment, version: str) -> None:
    baton.llm.script("a", "b")
    run = run_with(baton, recorded(version, "continued"))
    assert run["status"] == "completed"
    assert baton.llm.prompts == ["p0", "p1"]


@every_version
def test_the_tries_before_the_event_count(baton: Deployment, version: str) -> None:
    """A server error has three calls; the event was sent after the second of the fallback, which is the last one."""
    baton.llm.script("a", LlmServerError("500: oops."))
    run = run_with(baton, recorded(version, "waiting"))
    assert run["status"] == "failed"
    assert "Given up after 3 calls" in run["metadata"]["error"]
    assert [call.model for call in baton.llm.calls] == ["first", "second"]


@every_version
def test_a_reservation_before_the_event_is_used(baton: Deployment, version: str) -> None:
    """Without it, the second request of the minute would wait."""
    baton.llm.script("a", "b")
    run = run_with(baton, recorded(version, "reserved"))
    assert run["status"] == "completed"
    assert baton.waits == []


@every_version
def test_an_event_that_names_a_fallback_continues_with_it(baton: Deployment, version: str) -> None:
    baton.llm.script("a", "b")
    run = run_with(baton, recorded(version, "fallen_back"))
    assert run["status"] == "completed"
    assert [call.model for call in baton.llm.calls] == ["first", "second"]
    assert run["responses"][1]["metadata"]["fallback_from"] == ["llm"]
