"""Fallbacks: which instance is called next, with which settings, and what the response records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baton.domain.catalog.definitions import Block, LlmInstance, Payload, Workflow, new_definition
from baton.domain.catalog.fallbacks import MAX_FALLBACKS, targets
from baton.domain.errors import (
    InUse,
    Invalid,
    LlmAnswerInvalid,
    LlmError,
    LlmFormatInvalid,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
)
from baton.domain.llm.settings import LlmSettings
from baton.domain.runs.responses import Response
from baton.domain.runs.run import Run
from baton.usecases.catalog.define import Edit
from tests.support.records import AT_NOON, NOON, TENANT, block_draft, instance_draft, payload_draft, workflow_draft
from tests.support.use_cases import FakeBaton


def edit(instance_id: int) -> Edit:
    return Edit(tenant=TENANT, definition_id=instance_id, now=NOON)


def instances(fake_baton: FakeBaton, *drafts: dict[str, Any]) -> list[int]:
    """Instances called i0, i1, …; each falls back on the one after it."""
    ids: list[int] = []
    following: int | None = None
    for number, fields in reversed(list(enumerate(drafts))):
        draft = instance_draft(f"i{number}", fallback=following, model=f"m{number}", **fields)
        following = fake_baton.instances.create(TENANT, draft, None, NOON).id
        ids.insert(0, following)
    return ids


def started(fake_baton: FakeBaton, instance_id: int, settings: LlmSettings | None = None) -> Run:
    """A run of one payload that uses this instance."""
    block = fake_baton.define.create(TENANT, Block, block_draft("b", "Say something."), NOON).id
    draft = replace(payload_draft("p", [block], instance_id), settings=settings or LlmSettings())
    payload = fake_baton.define.create(TENANT, Payload, draft, NOON).id
    workflow = fake_baton.define.create(TENANT, Workflow, workflow_draft(payloads=[payload]), NOON).id
    run = fake_baton.start_run(TENANT, workflow, {}, NOON)
    fake_baton.state_machine.start(fake_baton.step(run))
    return fake_baton.runs.read(TENANT, run.id)


def the_response(fake_baton: FakeBaton) -> Response:
    (response,) = fake_baton.runs.read_history(TENANT, 1).responses
    return response


@pytest.mark.parametrize(
    "refusal",
    [LlmRefused("No."), LlmAnswerInvalid("Odd."), LlmFormatInvalid("Not JSON.")],
    ids=lambda e: type(e).__name__,
)
def test_after_a_permanent_error_the_fallback_is_called(fake_baton: FakeBaton, refusal: LlmError) -> None:
    run = started(fake_baton, instances(fake_baton, {}, {})[0])
    fake_baton.llm.script(refusal, "An answer.")
    after = fake_baton.state_machine.execute(fake_baton.step(run))
    assert after.outcome == "completed"
    assert [call.endpoint.instance_name for call in fake_baton.llm.calls] == ["i0", "i1"]
    metadata = the_response(fake_baton).metadata
    assert (metadata["llm_instance"], metadata["fallback_from"]) == ("i1", ["i0"])
    assert (metadata["tries"], metadata["last_failure"]) == (1, str(refusal))


def test_after_the_final_failure_the_fallback_is_called_with_its_own_tries(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, instances(fake_baton, {}, {})[0])
    fake_baton.llm.script(*[LlmThrottled("Later.", 2.0)] * 5, *[LlmServerError("Broken.")] * 2, "An answer.")
    assert fake_baton.state_machine.execute(fake_baton.step(run)).outcome == "completed"
    assert [call.endpoint.instance_name for call in fake_baton.llm.calls] == ["i0"] * 5 + ["i1"] * 3
    assert [call.tries for call in fake_baton.llm.calls] == [0, 1, 2, 3, 4, 0, 1, 2]
    metadata = the_response(fake_baton).metadata
    assert (metadata["tries"], metadata["last_failure"]) == (7, "Broken.")
    assert metadata["waited_seconds"] == 4 * 2 + 2 + 4


def test_after_the_last_fallback_the_run_fails_and_records_tries_and_waits(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, instances(fake_baton, {}, {}, {})[0])
    fake_baton.llm.script(LlmRefused("No key."), *[LlmThrottled("Later.", 3.0)] * 5, LlmRefused("No such model."))
    fake_baton.state_machine.execute(fake_baton.step(run))
    failed = fake_baton.runs.read(TENANT, run.id)
    assert (failed.status, failed.error) == ("failed", "Payload 'p' (position 0): No such model.")
    assert (failed.tries, failed.waited_seconds) == (7, 12)


def test_a_resumed_run_starts_with_the_first_instance(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, instances(fake_baton, {}, {})[0])
    fake_baton.llm.script(LlmRefused("No."), LlmRefused("Neither."))
    fake_baton.state_machine.execute(fake_baton.step(run))
    resumed = fake_baton.change_run.resume(TENANT, run.id, NOON)
    assert (resumed.tries, resumed.waited_seconds) == (None, None)
    fake_baton.llm.script("An answer.")
    fake_baton.state_machine.execute(fake_baton.step(resumed))
    assert the_response(fake_baton).metadata["llm_instance"] == "i0"


def test_a_response_without_failures_records_no_fallback(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, instances(fake_baton, {}, {})[0])
    fake_baton.llm.script("An answer.")
    fake_baton.state_machine.execute(fake_baton.step(run))
    metadata = the_response(fake_baton).metadata
    assert (metadata["tries"], metadata["waited_seconds"]) == (0, 0)
    assert not {"fallback_from", "last_failure"} & metadata.keys()


def test_a_fallback_has_its_own_model_defaults_and_key(fake_baton: FakeBaton) -> None:
    second = instance_draft(
        "second", provider="openai", model="m2", defaults=LlmSettings(max_tokens=9, options={"b": 2})
    )
    second_id = fake_baton.instances.create(TENANT, second, "sk-second", NOON).id
    first = instance_draft("first", fallback=second_id)
    first_id = fake_baton.instances.create(TENANT, first, None, NOON).id
    run = started(fake_baton, first_id, LlmSettings(model="special", temperature=0.5, options={"a": 1}))
    fake_baton.llm.script(LlmRefused("No."), "An answer.")
    fake_baton.state_machine.execute(fake_baton.step(run))
    own, other = fake_baton.llm.calls
    assert (own.model, own.settings.options, own.api_key) == ("special", {"a": 1}, None)
    assert (other.model, other.settings.options, other.api_key) == ("m2", {"b": 2}, "sk-second")
    assert (other.settings.temperature, other.settings.max_tokens) == (0.5, 9)


def test_a_fallback_of_the_same_provider_gets_the_options_of_the_payload(fake_baton: FakeBaton) -> None:
    run = started(fake_baton, instances(fake_baton, {}, {})[0], LlmSettings(options={"a": 1}))
    fake_baton.llm.script(LlmRefused("No."), "An answer.")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert [call.settings.options for call in fake_baton.llm.calls] == [{"a": 1}, {"a": 1}]


def test_with_a_missing_key_the_fallback_is_called(fake_baton: FakeBaton) -> None:
    second, first = instances(fake_baton, {}, {})[1], "sk-one"
    keyed = fake_baton.instances.create(TENANT, instance_draft("keyed", fallback=second), first, NOON)
    run = started(fake_baton, keyed.id)
    fake_baton.secrets.delete_api_key(TENANT, keyed.id)
    fake_baton.llm.script("An answer.")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert the_response(fake_baton).metadata["llm_instance"] == "i1"


def test_a_fallback_must_exist(fake_baton: FakeBaton) -> None:
    with pytest.raises(Invalid, match=r"^fallback: there is no LLM instance 7\.$"):
        fake_baton.instances.create(TENANT, instance_draft(fallback=7), None, NOON)


def test_a_chain_of_fallbacks_has_no_cycle(fake_baton: FakeBaton) -> None:
    first, _, last = instances(fake_baton, {}, {}, {})
    with pytest.raises(Invalid, match=r"^fallback: forms a cycle: fallback 3 of the chain is this instance"):
        fake_baton.instances.replace(edit(last), instance_draft("i2", fallback=first), None)
    with pytest.raises(Invalid, match=r"^fallback: forms a cycle: fallback 1 of the chain is this instance"):
        fake_baton.instances.replace(edit(last), instance_draft("i2", fallback=last), None)


def test_a_chain_of_fallbacks_has_a_maximum_length(fake_baton: FakeBaton) -> None:
    first = instances(fake_baton, *[{}] * (MAX_FALLBACKS + 1))[0]
    with pytest.raises(Invalid, match=f"^fallback: starts a chain of more than {MAX_FALLBACKS} instances"):
        fake_baton.instances.create(TENANT, instance_draft("one more", fallback=first), None, NOON)


def test_a_cycle_that_concurrent_edits_made_does_not_repeat_calls(fake_baton: FakeBaton) -> None:
    first, second = instances(fake_baton, {}, {})
    current = fake_baton.catalog.read(TENANT, LlmInstance, second)
    fake_baton.catalog.replace(
        TENANT, current, replace(current, fallback=first, version=2), fake_baton.catalog.read_ledger(TENANT)
    )
    run = started(fake_baton, first)
    fake_baton.llm.script(LlmRefused("No."), LlmRefused("Neither."))
    assert fake_baton.state_machine.execute(fake_baton.step(run)).outcome == "failed"
    assert len(fake_baton.llm.calls) == 2


def test_an_instance_that_is_a_fallback_cannot_be_deleted(fake_baton: FakeBaton) -> None:
    first, second = instances(fake_baton, {}, {})
    with pytest.raises(InUse, match=rf"LLM instance {first} \(i0\)"):
        fake_baton.instances.delete(edit(second))
    fake_baton.instances.delete(edit(first))
    fake_baton.instances.delete(edit(second))


def test_a_payload_with_a_setting_that_a_fallback_does_not_support_is_rejected(fake_baton: FakeBaton) -> None:
    fake_baton.unsupported_settings.unsupported["openai"] = ["seed"]
    first = instances(fake_baton, {}, {"provider": "openai"})[0]
    with pytest.raises(Invalid, match=r"^seed: of the fallback 'i1': is not supported by openai\.$"):
        started(fake_baton, first, LlmSettings(seed=1))


def test_a_later_edit_of_an_instance_does_not_change_a_run(fake_baton: FakeBaton) -> None:
    first, second = instances(fake_baton, {}, {})
    run = started(fake_baton, first)
    fake_baton.instances.replace(edit(first), instance_draft("i0"), None)
    fake_baton.instances.replace(edit(second), instance_draft("renamed"), None)
    fake_baton.llm.script(LlmRefused("No."), "An answer.")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert the_response(fake_baton).metadata["llm_instance"] == "i1"


def test_unset_settings_are_unset_for_fallbacks_too_except_the_model_and_options_of_other_providers() -> None:
    own = a_stored_instance(provider="openai", defaults=LlmSettings(temperature=0.1, options={"a": 1}))
    other = replace(own, id=2, provider="anthropic", defaults=LlmSettings(temperature=0.2, model="m", options={"b": 1}))
    unset = LlmSettings(unset=("model", "options", "temperature"))
    first, second = targets(unset, [own, other])
    assert first.settings == LlmSettings()
    assert second.settings == LlmSettings(model="m", options={"b": 1})


def a_stored_instance(**fields: Any) -> LlmInstance:
    return new_definition(LlmInstance, instance_draft("demo", **fields), 1, AT_NOON)
