"""An update of the stack while a run is in flight."""

from __future__ import annotations

import json
import re
from pathlib import Path
from threading import Event

import pytest

from local import deployment
from local.network import free_port
from local.stack import Stack
from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.waiting import eventually
from tests.support.guard import guarded
from tests.support.openai_server import ANSWER, serving

SECONDS_FOR_AN_UPDATE = 120


@pytest.mark.timeout(300)
def test_a_run_in_flight_continues_with_its_version_and_later_runs_use_the_new_one(tmp_path: Path) -> None:
    """The update changes only a parameter, the case for which SAM alone would not publish a version."""
    port, updated = free_port(), Event()
    with guarded(port, tmp_path), Stack(port, tmp_path) as stack, serving() as provider:
        provider.text_for = lambda _prompt: ANSWER if updated.wait(SECONDS_FOR_AN_UPDATE) else "too late"
        baton, cloud = Baton(stack.addresses), Cloud(stack.emulator.url)
        instance = baton.instance("blocking", provider="openai", base_url=provider.base_url, timeout_seconds=240)
        workflow_id = baton.workflow("in flight", [Prompt("before the update"), Prompt("after it")], instance)
        in_flight = baton.start(workflow_id)
        eventually(lambda: provider.calls, lambda calls: len(calls) == 1)
        update(stack, tmp_path, "LogLevel=DEBUG")
        updated.set()
        assert [response["content"] for response in baton.ended(in_flight)["responses"]] == [ANSWER, ANSWER]

        later = baton.start(workflow_id)
        assert baton.ended(later)["status"] == "completed"
        assert versions(cloud, in_flight) == ["1", "1"]
        assert versions(cloud, later) == ["2", "2"]
        baton.close()


def update(stack: Stack, home: Path, parameter: str) -> None:
    """Deploy the existing build with another value of a parameter."""
    options = [*deployment.deploy_options(stack.emulator), parameter]
    with deployment.build_lock():
        deployment.sam("deploy", options, stack.emulator, home)


def versions(cloud: Cloud, run_id: int) -> list[str]:
    """The version of the function that has executed each payload of a run: it is a part of its log stream's name."""
    pages = cloud.client("logs").get_paginator("filter_log_events")
    events = [
        event
        for page in pages.paginate(logGroupName=cloud.physical_id("ExecutePayloadLogs"))
        for event in page["events"]
        if "payload executed" in event["message"] and json.loads(event["message"])["run_id"] == run_id
    ]
    return [re.findall(r"\[(.+?)\]", event["logStreamName"])[0] for event in events]
