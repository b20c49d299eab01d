"""A real answer, read while it grows."""

from __future__ import annotations

from typing import Any

from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import is_a, is_the_end_of

LONG = {"max_tokens": 400, "options": {"ignore_eos": True}}
"""So that it takes a while on any machine."""


def test_an_answer_is_told_while_it_grows(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and streamed", **endpoint, defaults=LONG)
    workflow_id = baton.workflow("real stream", [Prompt("real tale", "Tell me the tale of a fox.")], llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.hear_until(is_a("payload_completed", run_id=run_id))
        facts = listener.of_run(run_id)
        listener.hear_until(is_the_end_of(run_id))
    [response] = baton.ended(run_id)["responses"]
    parts = [fact["data"] for fact in facts if fact["type"] == "execution_progress" and "delta" in fact["data"]]

    assert parts
    told = ""
    for part in parts:
        assert (part["payloadName"], part["position"], part["offset"]) == ("real tale", 0, len(told))
        told += part["delta"]
    assert told
    assert all(part["metadata"]["tokens_per_second"] > 0 for part in parts[1:])
    assert response["content"].startswith(told)
    assert response["metadata"]["completion_tokens"] == 400


def test_an_answer_can_be_asked_for_as_a_whole(baton: Baton, endpoint: dict[str, Any]) -> None:
    llm = baton.instance("real and whole", **endpoint, defaults=LONG | {"stream": False})
    workflow_id = baton.workflow("real whole", [Prompt("real fable", "Tell me the fable of a crow.")], llm)
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.hear_until(is_the_end_of(run_id))
        facts = listener.of_run(run_id)
    [response] = baton.ended(run_id)["responses"]

    assert [fact for fact in facts if "delta" in fact["data"]] == []
    assert response["metadata"]["completion_tokens"] == 400
