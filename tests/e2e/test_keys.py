"""API keys are stored and deleted with their instances, within the functions' own policies."""

from __future__ import annotations

from tests.e2e.baton import Baton
from tests.e2e.cloud import Cloud
from tests.support.openai_server import serving

BODY = {"provider": "simulated", "model": "m", "api_key": "sk-test-keys"}


def stored_keys(cloud: Cloud) -> int:
    """How many parameters contain this key."""
    pages = cloud.client("ssm").get_paginator("describe_parameters").paginate()
    names = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
    values = [cloud.client("ssm").get_parameter(Name=n, WithDecryption=True)["Parameter"]["Value"] for n in names]
    return sum("sk-test-keys" in value for value in values)


def test_a_key_is_deleted_with_its_instance_and_not_stored_for_a_rejected_one(baton: Baton, cloud: Cloud) -> None:
    instance = baton.call("POST", "/api/llm/instances", {"name": "keys", **BODY})
    refused = baton.send("POST", "/api/llm/instances", json={"name": "keys", **BODY})
    assert (refused.status_code, refused.json()["holder"]) == (409, instance["id"])
    assert stored_keys(cloud) == 1
    assert baton.send("DELETE", f"/api/llm/instances/{instance['id']}").status_code == 204
    assert stored_keys(cloud) == 0
    without_key = baton.instance("no key")
    assert baton.send("DELETE", f"/api/llm/instances/{without_key}").status_code == 204


def test_a_check_uses_the_newest_key_and_needs_the_read_secrets_statement(baton: Baton, cloud: Cloud) -> None:
    with serving() as provider:
        body = {"name": "tested", "provider": "openai", "model": "m", "base_url": provider.base_url}
        instance = baton.call("POST", "/api/llm/instances", {**body, "api_key": "sk-test-old"})["id"]
        assert baton.call("POST", f"/api/llm/instances/{instance}/test")["connected"]
        baton.call("PUT", f"/api/llm/instances/{instance}", {**body, "api_key": "sk-test-new"})
        assert baton.call("POST", f"/api/llm/instances/{instance}/test")["connected"]
        assert [call.authorization for call in provider.calls] == ["Bearer sk-test-old", "Bearer sk-test-new"]

        provider.accepts = False
        refused = baton.call("POST", f"/api/llm/instances/{instance}/test")
        assert (refused["connected"], refused["cause"]) == (False, "refused")
        assert "sk-test" not in refused["error"]

        with cloud.without("CatalogApiFunction", "ReadSecrets"):
            unread = baton.call("POST", f"/api/llm/instances/{instance}/test")
        assert (unread["cause"], "can't be read at this moment" in unread["error"]) == ("unreachable", True)
