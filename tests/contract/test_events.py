"""The event files: their placeholders, and events built from them."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.events import EVENTS, event, http_event, stream_event, websocket_event

FILES = sorted(path.stem for path in EVENTS.glob("*.json"))


@pytest.mark.parametrize("name", FILES)
def test_an_event_file_contains_only_documentation_accounts_regions_and_addresses(name: str) -> None:
    text = (EVENTS / f"{name}.json").read_text()
    assert set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)) - {"000000000001"} <= {"123456789012"}
    assert set(re.findall(r"\b[a-z]{2}-[a-z]+-\d\b", text)) <= {"us-east-1"}
    assert set(re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text)) <= {"192.0.2.1"}


@pytest.mark.parametrize("name", FILES)
def test_an_event_is_a_new_copy_of_its_file(name: str) -> None:
    first = event(name)
    first.clear()
    assert event(name) == json.loads((EVENTS / f"{name}.json").read_text())


def test_overrides_are_merged_and_none_removes_a_field() -> None:
    made = event("websocket_message", requestContext={"connectionId": "c"}, body=None)
    template = event("websocket_message")
    assert made["requestContext"] == template["requestContext"] | {"connectionId": "c"}
    assert set(made) == set(template) - {"body"}


def test_a_request_without_query_or_body_has_no_field_for_them() -> None:
    assert set(event("http_api_request")) - set(http_event("GET", "/")) == {"queryStringParameters", "body"}
    assert set(http_event("POST", "/", "{}", query={"a": "b"})) == set(event("http_api_request"))


def test_each_websocket_event_has_the_fields_of_its_file() -> None:
    assert set(websocket_event("CONNECT", "c", query={"runId": "1"})) == set(event("websocket_connect"))
    assert set(websocket_event("MESSAGE", "c", body="{}")) == set(event("websocket_message"))
    assert set(websocket_event("DISCONNECT", "c")) == set(event("websocket_disconnect"))


@pytest.mark.parametrize("kind", ["INSERT", "MODIFY", "REMOVE"])
def test_a_stream_record_has_the_given_images(kind: str) -> None:
    (template,) = [each for each in event("dynamodb_stream")["Records"] if each["eventName"] == kind]
    image = {"pk": {"S": "a"}}
    change = {name: image for name in ("Keys", "NewImage", "OldImage") if name in template["dynamodb"]}
    (record,) = stream_event([{"eventName": kind, "dynamodb": change}])["Records"]
    assert record == template | {"dynamodb": template["dynamodb"] | change}
