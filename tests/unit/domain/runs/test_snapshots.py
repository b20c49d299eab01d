"""Runs: a workflow is compiled to the snapshots that a run executes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baton.domain.catalog.definitions import (
    MAX_TEMPLATE_BYTES,
    Block,
    InlineBlock,
    LlmInstance,
    Payload,
    Workflow,
    WorkflowBundle,
)
from baton.domain.errors import Invalid
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from baton.domain.runs.run import MAX_VARIABLES_BYTES, check_variables
from baton.domain.runs.snapshots import compile_snapshots
from tests.support.records import AT_NOON

STORED: dict[str, Any] = {"version": 1, "created_at": AT_NOON, "updated_at": AT_NOON}
INSTANCE = LlmInstance(
    id=5,
    name="demo",
    provider="openai",
    base_url="https://llm.example/v1",
    model="small-1",
    timeout_seconds=30.0,
    has_api_key=True,
    defaults=LlmSettings(temperature=0.7, max_tokens=100, options={"top_k": 3, "user": "baton"}),
    **STORED,
)


def a_block(id_: int, content: str) -> Block:
    return Block(id=id_, title=f"block {id_}", content=content, **STORED)


def a_payload(id_: int, name: str, *blocks: int, settings: LlmSettings | None = None) -> Payload:
    return Payload(id=id_, name=name, blocks=blocks, llm_instance=5, settings=settings or LlmSettings(), **STORED)


def definitions(*payloads: Payload, order: tuple[int, ...] | None = None, **contents: str) -> WorkflowBundle:
    """A workflow of the payloads; ``b1="…"`` is the content of block 1."""
    blocks = [a_block(int(name[1:]), content) for name, content in contents.items()]
    ids = tuple(payload.id for payload in payloads) if order is None else order
    return WorkflowBundle(
        workflow=Workflow(id=7, name="Relay", payloads=ids, **STORED),
        payloads={payload.id: payload for payload in payloads},
        blocks={block.id: block for block in blocks},
        instances={5: INSTANCE},
    )


def test_a_snapshot_contains_the_text_the_settings_and_the_endpoint_of_its_payload() -> None:
    settings = LlmSettings(temperature=0.0, options={"top_k": 9})
    (snapshot,) = compile_snapshots(
        definitions(a_payload(11, "first", 2, 1, settings=settings), b1="one", b2="two"), {}
    )
    assert (snapshot.position, snapshot.payload_id, snapshot.payload_name) == (0, 11, "first")
    assert snapshot.template == "two\n\none"
    assert snapshot.own_target.settings == LlmSettings(
        temperature=0.0, max_tokens=100, options={"top_k": 9, "user": "baton"}
    )
    assert snapshot.own_target.endpoint == INSTANCE.endpoint()
    assert (snapshot.own_target.endpoint.instance_name, snapshot.own_target.endpoint.has_api_key) == ("demo", True)


def test_a_payload_may_contain_a_block_twice() -> None:
    (snapshot,) = compile_snapshots(definitions(a_payload(11, "first", 1, 1), b1="one"), {})
    assert snapshot.template == "one\n\none"


def test_an_inline_block_is_rendered_at_its_position() -> None:
    blocks = (InlineBlock(content="before"), 1, InlineBlock(content="{{topic}}"))
    payload = replace(a_payload(11, "first"), blocks=blocks)
    (snapshot,) = compile_snapshots(definitions(payload, b1="one"), {"topic": "relays"})
    assert snapshot.template == "before\n\none\n\n{{topic}}"
    assert snapshot.references == (Reference(name="topic", source="variable"),)


def test_references_are_resolved_to_earlier_payloads_then_variables() -> None:
    workflow = definitions(
        a_payload(11, "draft", 1), a_payload(12, "review", 2), b1="{{topic}}", b2="{{draft}} {{review}} {{topic}} {{x}}"
    )
    first, second = compile_snapshots(workflow, {"topic": "relays", "draft": "never"})
    assert first.references == (Reference(name="topic", source="variable"),)
    assert second.references == (
        Reference(name="draft", source="response", position=0),
        Reference(name="review", source="missing"),
        Reference(name="topic", source="variable"),
        Reference(name="x", source="missing"),
    )


def test_a_reference_to_a_payload_that_occurs_twice_uses_its_latest_earlier_answer() -> None:
    workflow = definitions(a_payload(11, "draft", 1), order=(11, 11, 11), b1="{{draft}}")
    snapshots = compile_snapshots(workflow, {})
    assert [snapshot.references[0].source for snapshot in snapshots] == ["missing", "response", "response"]
    assert [snapshot.references[0].position for snapshot in snapshots] == [None, 0, 1]
    assert [snapshot.position for snapshot in snapshots] == [0, 1, 2]


def test_a_workflow_without_payloads_is_invalid() -> None:
    with pytest.raises(Invalid, match="payloads: workflow 7 has none") as caught:
        compile_snapshots(definitions(), {})
    assert caught.value.field == "payloads"


def test_the_error_names_each_deleted_payload_once() -> None:
    with pytest.raises(Invalid, match=r"payloads: workflow 7 refers to deleted payloads: 98, 99\."):
        compile_snapshots(definitions(a_payload(11, "first", 1), order=(98, 11, 99, 98), b1="one"), {})


def test_the_error_names_deleted_blocks_and_their_payload() -> None:
    with pytest.raises(Invalid, match=r"blocks: payload 11 refers to deleted blocks: 98, 99\."):
        compile_snapshots(definitions(a_payload(11, "first", 98, 1, 99, 98), b1="one"), {})


def test_the_error_names_a_deleted_llm_instance_and_its_payload() -> None:
    workflow = replace(definitions(a_payload(11, "first", 1), b1="one"), instances={})
    with pytest.raises(Invalid, match="llm_instance: payload 11 refers to the deleted LLM instance 5"):
        compile_snapshots(workflow, {})


def test_a_prompt_has_a_maximum_size_in_bytes() -> None:
    longest = "é" * (MAX_TEMPLATE_BYTES // 2)
    (snapshot,) = compile_snapshots(definitions(a_payload(11, "first", 1), b1=longest), {})
    assert snapshot.template == longest
    with pytest.raises(Invalid, match=r"blocks: payload 11 has 1,000,001 bytes of text"):
        compile_snapshots(definitions(a_payload(11, "first", 1), b1=longest + "x"), {})


def test_many_missing_references_are_left_in_the_text_and_at_most_100_are_recorded() -> None:
    chart = "".join(f"name: {{{{ .Values.x{number} }}}} {{{{ n{number} }}}}\n" for number in range(5_000))
    for on_missing in ("keep", "empty"):
        (snapshot,) = compile_snapshots(definitions(a_payload(11, "first", 1), b1=chart), {}, on_missing)
        assert snapshot.template == chart
        assert [reference.name for reference in snapshot.references_with(snapshot.own_target)] == [
            f"n{number}" for number in range(100)
        ]


def test_recorded_missing_names_have_a_maximum_total_length() -> None:
    text = "".join(f"{{{{{number:0200d}}}}}" for number in range(90))
    (snapshot,) = compile_snapshots(definitions(a_payload(11, "first", 1), b1=text), {})
    assert len(snapshot.references) == 50


def test_prompt_and_system_text_together_may_refer_to_at_most_100_names() -> None:
    variables = {f"v{number}": "x" for number in range(101)}
    prompt = "".join(f"{{{{v{number}}}}}" for number in range(100)) + "{{nobody}}" * 9
    within = definitions(a_payload(11, "first", 1, settings=LlmSettings(system="{{v0}} {{v99}}")), b1=prompt)
    (snapshot,) = compile_snapshots(within, variables)
    assert (
        len(
            [reference for reference in snapshot.references_with(snapshot.own_target) if reference.source == "variable"]
        )
        == 102
    )
    over = definitions(a_payload(11, "first", 1, settings=LlmSettings(system="{{v100}}")), b1=prompt)
    with pytest.raises(Invalid, match="payload 11 refers to 101 answers and variables"):
        compile_snapshots(over, variables)


def test_with_on_missing_fail_template_code_in_a_prompt_is_not_a_missing_reference() -> None:
    code = """{{ name | upper }} {{ .Values.x }} {{ include "x" . }} {{ $t('x') }} {{ a
      b }} {{#each items}} {{/each}}"""
    assert compile_snapshots(definitions(a_payload(11, "first", 1), b1=code), {}, "fail")[0].references == ()


def test_system_texts_of_payloads_and_of_instance_defaults_are_templates() -> None:
    settings = LlmSettings(system="For {{topic}} and {{draft}}, {{nobody}}")
    workflow = definitions(a_payload(11, "draft", 1), a_payload(12, "review", 1, settings=settings), b1="{{topic}}")
    instance = replace(INSTANCE, defaults=LlmSettings(system="By default {{ topic }}"))
    first, second = compile_snapshots(replace(workflow, instances={5: instance}), {"topic": "relays"})
    assert first.references_with(first.own_target) == (
        Reference(name="topic", source="variable"),
        Reference(name="topic", source="variable", where="system"),
    )
    assert second.references_with(second.own_target) == (
        Reference(name="topic", source="variable"),
        Reference(name="topic", source="variable", where="system"),
        Reference(name="draft", source="response", position=0, where="system"),
        Reference(name="nobody", source="missing", where="system"),
    )
    with pytest.raises(Invalid, match=r"\{\{nobody\}\} in 'review' \(position 1\)"):
        compile_snapshots(workflow, {"topic": "relays"}, "fail")


def test_the_system_text_of_each_fallback_has_its_own_references() -> None:
    first = replace(INSTANCE, defaults=LlmSettings(system="{{a}}"), fallback=6)
    second = replace(INSTANCE, id=6, defaults=LlmSettings(system="{{b}}"))
    workflow = replace(definitions(a_payload(11, "first", 1), b1="{{c}}"), instances={5: first, 6: second})
    (snapshot,) = compile_snapshots(workflow, {"a": 1, "b": 2, "c": 3})
    named = [[reference.name for reference in snapshot.references_with(target)] for target in snapshot.targets]
    assert named == [["c", "a"], ["c", "b"]]
    with pytest.raises(Invalid, match=r"\{\{b\}\}"):
        compile_snapshots(workflow, {"a": 1, "c": 3}, "fail")


def test_with_on_missing_fail_a_path_that_a_variable_does_not_contain_is_rejected() -> None:
    workflow = definitions(a_payload(11, "first", 1), b1="{{user.name}} {{user.age}}")
    with pytest.raises(Invalid, match=r"\{\{user.age\}\}") as caught:
        compile_snapshots(workflow, {"user": {"name": "Ada"}}, "fail")
    assert "user.name" not in str(caught.value)


def test_a_payload_whose_texts_and_settings_are_too_large_is_rejected() -> None:
    """Each is within its own maximum; together they are too large."""
    workflow = definitions(a_payload(11, "first", 1), b1="é" * (MAX_TEMPLATE_BYTES // 2))
    instances = {
        id_: replace(INSTANCE, id=id_, fallback=id_ + 1, defaults=LlmSettings(options={"x": "é" * 350_000}))
        for id_ in range(5, 10)
    }
    with pytest.raises(Invalid, match="payload 11"):
        compile_snapshots(replace(workflow, instances=instances), {})


def test_a_workflow_whose_texts_together_are_too_large_is_rejected() -> None:
    workflow = definitions(a_payload(11, "first", 1), order=(11,) * 41, b1="x" * MAX_TEMPLATE_BYTES)
    with pytest.raises(Invalid, match="payloads: texts and settings of all payloads"):
        compile_snapshots(workflow, {})
    within = definitions(a_payload(11, "first", 1), order=(11,) * 39, b1="x" * MAX_TEMPLATE_BYTES)
    assert len(compile_snapshots(within, {})) == 39


def test_variables_have_a_maximum_size_in_bytes() -> None:
    longest = "é" * ((MAX_VARIABLES_BYTES - len('{"a": ""}')) // 2)
    check_variables({"a": longest})
    with pytest.raises(Invalid, match=r"variables: 300,0\d\d bytes as JSON"):
        check_variables({"a": longest + "éé"})


def test_with_on_missing_fail_references_that_cannot_be_resolved_are_rejected() -> None:
    workflow = definitions(a_payload(11, "first", 1), b1="{{topic}} {{nobody}} {{first.title}}")
    with pytest.raises(Invalid, match=r"on_missing: .*\{\{nobody\}\} in 'first' \(position 0\)") as caught:
        compile_snapshots(workflow, {"topic": "relays"}, "fail")
    assert "{{topic}}" not in str(caught.value)
    for on_missing in ("keep", "empty"):
        assert len(compile_snapshots(workflow, {"topic": "relays"}, on_missing)) == len(workflow.workflow.payloads)
