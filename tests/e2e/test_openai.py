"""A workflow on a server with OpenAI's API, and the key, which is never shown again."""

from __future__ import annotations

import json

from local.stack import Stack
from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import is_the_end_of
from tests.support.openai_server import ANSWER, MODEL, USAGE, serving

KEY = "sk-test-e2e"
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def test_a_run_on_an_openai_server_completes_and_its_key_stays_secret(baton: Baton, cloud: Cloud, stack: Stack) -> None:
    with serving() as provider, baton.listen() as listener:
        created = baton.call(
            "POST",
            "/api/llm/instances",
            {
                "name": "served here",
                "provider": "openai",
                "base_url": provider.base_url,
                "model": "asked-model",
                "api_key": KEY,
            },
        )
        instance = created["id"]
        workflow_id = baton.workflow(
            "served", [Prompt("motto", "Give a motto."), Prompt("use", "Use: {{motto}}")], instance
        )
        run_id = baton.start(workflow_id)
        listener.receive_until(is_the_end_of(run_id))
        run = baton.ended(run_id)

        assert run["status"] == "completed"
        assert [response["content"] for response in run["responses"]] == [ANSWER, ANSWER]
        for response in run["responses"]:
            assert response["metadata"] | USAGE | {"model": MODEL, "finish_reason": "stop"} == response["metadata"]
        assert [call.path for call in provider.calls] == ["/v1/chat/completions"] * 2
        assert [call.authorization for call in provider.calls] == [f"Bearer {KEY}"] * 2
        assert [call.body for call in provider.calls] == [
            {"model": "asked-model", "messages": [{"role": "user", "content": prompt}], **STREAMED}
            for prompt in ("Give a motto.", f"Use: {ANSWER}")
        ]

        provider.accepts = False
        refused_id = baton.start(workflow_id)
        listener.receive_until(is_the_end_of(refused_id))
        refused = baton.ended(refused_id)
        assert refused["status"] == "failed"
        assert "Incorrect API key provided: Bearer [api key]" in refused["metadata"]["error"]

        provider.accepts = True
        baton.call("POST", f"/api/runs/{refused_id}/resume")
        resumed = baton.ended(refused_id)
        assert (resumed["status"], resumed["metadata"]["attempt"], len(resumed["responses"])) == ("completed", 2, 2)
        assert "error" not in resumed["metadata"]
        listener.receive_until(is_the_end_of(refused_id))
    messages = json.dumps(listener.received)

    assert len(provider.calls) == 2 + 1 + 2
    names = (f"/baton/default/llm-instances/{instance}/api-key",)
    stored = cloud.client("ssm").get_parameters(Names=names, WithDecryption=True)["Parameters"]
    origin = provider.base_url.removesuffix("/v1")
    assert [secret["Type"] for secret in stored] == ["SecureString"]
    assert json.loads(stored[0]["Value"]) == {"origin": origin, "provider": "openai", "key": KEY}

    instances = baton.send("GET", "/api/llm/instances").text
    answers = [
        json.dumps(created),
        instances,
        baton.send("GET", f"/api/llm/instances/{instance}").text,
        baton.send("POST", f"/api/llm/instances/{instance}/test").text,
        baton.send("GET", f"/api/workflows/{workflow_id}/export").text,
        baton.send("GET", "/api/payloads").text,
        baton.send("GET", "/api/runs").text,
        baton.send("GET", f"/api/execute/run/{run_id}").text,
        baton.send("GET", f"/api/runs/{run_id}/responses").text,
        json.dumps([refused, resumed]),
    ]
    tables = {table: json.dumps(cloud.items(table)) for table in ("RunsTable", "CatalogTable", "ConnectionsTable")}
    logs = {group: "\n".join(cloud.log(group)) for group in cloud.log_groups()}
    emulator = stack.emulator.log.read_text()

    # Each place is really searched: it contains what it should contain.
    assert "served here" in instances
    assert ANSWER in messages
    assert ANSWER in tables["RunsTable"]
    assert "served here" in tables["CatalogTable"]
    assert "payload executed" in logs["/aws/lambda/baton/execute_payload"]
    assert "/api/llm/instances" in logs["/aws/lambda/baton/catalog_api"]
    assert f"default-{run_id}-1" in emulator
    # And no place contains the key.
    assert KEY not in "\n".join([*answers, messages, *tables.values(), *logs.values(), emulator])
