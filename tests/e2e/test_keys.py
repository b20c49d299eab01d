"""API keys come and go with their instances, as the functions' own policies allow it."""

from __future__ import annotations

from tests.e2e.baton import Baton
from tests.e2e.cloud import Cloud

BODY = {"provider": "simulated", "model": "m", "api_key": "sk-test-keys"}


def kept_keys(cloud: Cloud) -> int:
    """How many parameters have this key."""
    pages = cloud.client("ssm").get_paginator("describe_parameters").paginate()
    names = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
    values = [cloud.client("ssm").get_parameter(Name=n, WithDecryption=True)["Parameter"]["Value"] for n in names]
    return values.count("sk-test-keys")


def test_a_key_is_forgotten_with_its_instance_and_with_an_instance_that_is_refused(baton: Baton, cloud: Cloud) -> None:
    instance = baton.call("POST", "/api/llm/instances", {"name": "keys", **BODY})
    refused = baton.ask("POST", "/api/llm/instances", json={"name": "keys", **BODY})
    assert (refused.status_code, refused.json()["holder"]) == (409, instance["id"])
    assert kept_keys(cloud) == 1
    assert baton.ask("DELETE", f"/api/llm/instances/{instance['id']}").status_code == 204
    assert kept_keys(cloud) == 0
    without_key = baton.instance("no key")
    assert baton.ask("DELETE", f"/api/llm/instances/{without_key}").status_code == 204
