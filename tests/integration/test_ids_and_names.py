"""Ids and names over HTTP: one form of each; other forms are rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.llm_instances import INSTANCES, instance
from tests.support.problems import assert_problem

NO_IDS = ["01", "+1", "1 ", " 1", "1.0", "\uff11", "1_0", "-1", "0", "1e0", "0x1", "1000000000000", "%31"]


@pytest.mark.parametrize("id_", NO_IDS)
def test_an_id_in_another_form_is_rejected(baton: Deployment, id_: str) -> None:
    baton.workflow("Say.")
    for method, path in (
        ("GET", f"/api/blocks/{id_}"),
        ("GET", f"/api/runs/{id_}"),
        ("POST", f"/api/execute/workflow/{id_}"),
        ("DELETE", f"{INSTANCES}/{id_}"),
    ):
        assert_problem(request(method, path), 422, "invalid-request", "is not an id: a number from 1 to 999999999999")
    query = {"workflow_id": id_}
    assert_problem(request("GET", "/api/runs", query=query), 422, "invalid-request", "workflow_id: is not an id")
    assert request("GET", "/api/blocks/1").status == 200


@pytest.mark.parametrize("sign", ["\0", "\n", "\r", "\x85", "\u2028", "\u202e", "\u2066", "\u200f", "\u061c"])
@pytest.mark.usefixtures("baton")
def test_a_name_with_an_invisible_or_bidirectional_character_is_rejected(sign: str) -> None:
    odd = f"a{sign}b"
    payload = {"name": odd, "blocks": [{"content": "c"}], "llm_instance": 1}
    file: dict[str, Any] = {"workflow": {"name": odd, "payloads": []}, "payloads": [], "blocks": []}
    for path, body in (
        ("/api/blocks", {"title": odd, "content": "c"}),
        ("/api/blocks", {"title": "t", "content": "c", "tags": [odd]}),
        ("/api/blocks", {"title": "t", "content": "c", "folder_path": f"/{odd}"}),
        ("/api/payloads", payload),
        ("/api/workflows", {"name": odd}),
        (INSTANCES, instance(odd)),
        (INSTANCES, {**instance(), "model": odd}),
        ("/api/execute/workflow/1", {"variables": {odd: 1}}),
        ("/api/workflows/import", file),
    ):
        assert_problem(request("POST", path, body), 422, "invalid-request", f"(U+{ord(sign):04X})")
    text = json.dumps(file)
    yaml = request("POST", "/api/workflows/import", text=text, headers={"content-type": "application/yaml"})
    assert yaml.status == 422


@pytest.mark.usefixtures("baton")
def test_names_are_stored_in_nfc_and_compared_in_nfc() -> None:
    assert request("POST", "/api/blocks", {"title": "e\u0301", "content": "c"}).body["title"] == "\u00e9"
    taken = request("POST", "/api/blocks", {"title": "\u00e9", "content": "c"})
    assert_problem(taken, 409, "name-taken", "is taken by block 1")
    assert request("POST", "/api/blocks", {"title": "👩\u200d👧", "content": "c"}).body["title"] == "👩\u200d👧"


@pytest.mark.parametrize(
    "key", ["a b", "a\nb", "a\tb", "a\0", "\ufeffsk", "schlüssel", "sk-\u00a01", " ", "\x7f", "sk\u200b"]
)
@pytest.mark.usefixtures("baton")
def test_an_api_key_that_is_not_a_valid_header_value_is_rejected(key: str) -> None:
    refused = request("POST", INSTANCES, instance(provider="anthropic", api_key=key))
    assert_problem(refused, 422, "invalid-request", "api_key: ")
    assert not key.strip() or key not in json.dumps(refused.body, ensure_ascii=False)
    assert request("GET", INSTANCES).body["items"] == []


def test_an_api_key_may_contain_any_punctuation_and_is_rejected_if_it_is_too_long(baton: Deployment) -> None:
    key = '{{sk"\\}}~!'
    baton.create(INSTANCES, instance(provider="anthropic", api_key=f"\n {key}\r\n"))
    (name,) = [one["Name"] for one in baton.aws.ssm.describe_parameters()["Parameters"]]
    text = baton.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert (json.loads(text)["key"], "{{" in text, "}}" in text) == (key, False, False)
    assert request("POST", INSTANCES, instance("long", provider="anthropic", api_key="k" * 4000)).status == 201
    refused = request("POST", INSTANCES, instance("other", provider="anthropic", api_key='"' * 3000))
    assert_problem(refused, 422, "invalid-request", "api_key: is too long")


@pytest.mark.parametrize(
    "base_url",
    [
        "https://u:sk-12345@h.example",
        "https://h.example?api_key=sk-12345",
        "https://h.example/\tsk-12345",
        "https://h.example:65536/sk-12345",
    ],
)
@pytest.mark.usefixtures("baton")
def test_a_base_url_with_a_key_or_that_cannot_be_called_is_rejected_without_quoting_it(base_url: str) -> None:
    refused = request("POST", INSTANCES, instance(provider="openai", base_url=base_url))
    assert_problem(refused, 422, "invalid-request", "base_url: ")
    assert "sk-12345" not in json.dumps(refused.body)
