"""Execute one payload: once where it can be, and never with two responses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.domain.catalog.definitions import Payload
from baton.domain.errors import (
    Invalid,
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
)
from baton.domain.llm.calls import LlmSettings
from baton.domain.prompts import Sources
from baton.domain.runs.run import OnMissing, Response, cancelled
from baton.domain.runs.steps import Step
from baton.usecases.runs.execute_payload import ExecutePayload
from tests.fakes.runs import FakeSteps
from tests.support.records import AT_NOON, NOON, TENANT, an_answer, an_api_key
from tests.support.use_cases import World


class CrashingSteps(FakeSteps):
    """The function ends between the LLM's answer and the write of it, the first time."""

    crashes = 1

    def store_response(self, response: Response) -> None:
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("out of memory")
        super().store_response(response)


class RacingSteps(FakeSteps):
    """Another delivery of the same payload stores its response just before this one does."""

    def store_response(self, response: Response) -> None:
        super().store_response(replace(response, content="the other one"))
        super().store_response(response)


def on(world: World, steps: FakeSteps) -> ExecutePayload:
    return replace(world.execute_payload, steps=steps)


def responses(world: World) -> tuple[Response, ...]:
    return tuple(world.runs.read_responses(TENANT, 1, 100, None).items)


def test_a_payload_is_answered_and_the_next_one_follows(world: World) -> None:
    run = world.started("Tell me of {{topic}}.", "And then?", topic="relays")
    world.llm.script(an_answer("Long ago."))
    after = world.execute_payload(world.step(run))
    assert (after.outcome, after.position, after.tries, after.error) == ("continue", 1, 0, None)
    assert world.llm.prompts == ["Tell me of relays."]
    (response,) = responses(world)
    assert (response.content, response.prompt, response.position) == ("Long ago.", "Tell me of relays.", 0)
    assert (response.payload_name, response.payload_id, response.total, response.attempt) == ("p0", 1, 2, 1)
    assert response.expires_at == run.expires_at


def test_the_last_payload_completes_the_run(world: World) -> None:
    run = world.started("one", "{{p0}} two")
    world.llm.script("first", "second")
    assert world.execute_payload(world.step(run, 0)).outcome == "continue"
    assert world.execute_payload(world.step(run, 1)).outcome == "completed"
    assert world.llm.prompts == ["one", "first two"]
    assert [response.id for response in responses(world)] == [run.first_response_id, run.first_response_id + 1]


def test_the_run_shows_which_payload_is_under_way(world: World) -> None:
    run = world.started("one", "two")
    world.llm.script("first", LlmThrottled("Later."))
    world.execute_payload(world.step(run, 0))
    world.execute_payload(world.step(run, 1))
    shown = world.runs.read(TENANT, 1)
    assert (shown.status, shown.position, shown.completed, shown.payload_name) == ("running", 1, 1, "p1")


def test_the_call_has_the_snapshots_settings_and_endpoint(world: World) -> None:
    run = world.started("one")
    world.llm.script("first")
    world.execute_payload(replace(world.step(run), tries=2))
    (call,) = world.llm.calls
    assert call.settings == LlmSettings(temperature=0.1, max_tokens=50, stop=("END",), options={"top_k": 3})
    assert (call.endpoint.instance_name, call.endpoint.provider, call.model) == ("demo", "simulated", "small-1")
    assert (call.api_key, call.tries) == (None, 2)


def test_a_key_is_read_when_the_instance_has_one(world: World) -> None:
    world.secrets.write_api_key(TENANT, 1, an_api_key())
    run = world.start_run(TENANT, world.workflow("one", has_api_key=True), {}, world.clock())
    world.state_machine.begin(world.step(run))
    world.llm.script("first")
    world.execute_payload(world.step(run))
    assert world.llm.calls[0].api_key == "sk-one"


def test_a_key_that_is_gone_fails_the_run_without_a_call(world: World) -> None:
    run = world.start_run(TENANT, world.workflow("one", has_api_key=True), {}, world.clock())
    world.state_machine.begin(world.step(run))
    after = world.execute_payload(world.step(run))
    assert (after.outcome, world.llm.calls) == ("failed", [])
    assert after.error is not None
    assert "API key of LLM instance 1" in after.error


def test_a_redelivered_payload_does_not_call_the_llm_again(world: World) -> None:
    run = world.started("one", "two")
    world.llm.script("first")
    first = world.execute_payload(world.step(run))
    again = world.execute_payload(world.step(run))
    assert first == again
    assert len(world.llm.calls) == 1
    assert [response.content for response in responses(world)] == ["first"]


def test_a_redelivered_last_payload_completes_without_a_call(world: World) -> None:
    run = world.started("one")
    world.llm.script("first")
    world.execute_payload(world.step(run))
    assert world.execute_payload(world.step(run)).outcome == "completed"
    assert len(world.llm.calls) == 1


def test_a_crash_between_answer_and_write_costs_a_second_call_and_makes_one_response(world: World) -> None:
    run = world.started("one", "two")
    execute = on(world, CrashingSteps(world.runs))
    world.llm.script("lost", "kept")
    with pytest.raises(RuntimeError, match="out of memory"):
        execute(world.step(run))
    assert responses(world) == ()
    assert execute(world.step(run)).outcome == "continue"
    assert len(world.llm.calls) == 2
    assert [response.content for response in responses(world)] == ["kept"]


def test_the_delivery_that_stores_second_goes_on_with_the_first_ones_response(world: World) -> None:
    run = world.started("one", "two")
    world.llm.script("mine")
    after = on(world, RacingSteps(world.runs))(world.step(run))
    assert (after.outcome, after.position) == ("continue", 1)
    assert [response.content for response in responses(world)] == ["the other one"]


def test_an_earlier_attempt_does_nothing(world: World) -> None:
    run = world.started("one")
    world.runs.write(replace(run, attempt=2))
    after = world.execute_payload(world.step(run))
    assert (after.outcome, after.error) == ("failed", "The run no longer waits for this attempt.")
    assert (world.llm.calls, responses(world)) == ([], ())


@pytest.mark.parametrize("status", ["created", "completed", "failed", "cancelled"])
def test_a_run_that_is_not_running_calls_no_llm(world: World, status: str) -> None:
    run = world.started("one")
    world.runs.write(replace(run, status=status))  # type: ignore[arg-type]
    changes = len(world.runs.changes)
    assert world.execute_payload(world.step(run)).outcome == "failed"
    assert (world.llm.calls, len(world.runs.changes)) == ([], changes)


def test_a_run_that_is_gone_calls_no_llm(world: World) -> None:
    run = world.started("one")
    after = world.execute_payload(replace(world.step(run), run_id=99))
    assert (after.outcome, world.llm.calls) == ("failed", [])


def test_another_tenants_run_calls_no_llm(world: World) -> None:
    run = world.started("one")
    after = world.execute_payload(replace(world.step(run), tenant="globex"))
    assert (after.outcome, world.llm.calls) == ("failed", [])


def test_a_run_cancelled_between_guard_and_start_calls_no_llm(world: World) -> None:
    run = world.started("one")

    class Cancelling(FakeSteps):
        def read_sources(self, *_args: object) -> Sources:
            raise AssertionError("the payload has started")

        def start_payload(self, *args: object) -> None:
            world.runs.change(run, cancelled(run, AT_NOON))
            super().start_payload(*args)  # type: ignore[arg-type]

    after = on(world, Cancelling(world.runs))(world.step(run))
    assert (after.outcome, world.llm.calls) == ("failed", [])
    assert world.runs.read(TENANT, 1).status == "cancelled"


def test_a_position_behind_the_last_payload_completes_the_run(world: World) -> None:
    """As after a resume of a run that was cancelled between its last answer and its end."""
    run = world.started("one")
    world.llm.script("first")
    world.execute_payload(world.step(run))
    assert world.execute_payload(world.step(run, 1)).outcome == "completed"
    assert len(world.llm.calls) == 1


def test_a_payload_whose_predecessor_has_not_answered_is_a_bug_and_raised(world: World) -> None:
    run = world.started("one", "two")
    with pytest.raises(RuntimeError, match="position 1"):
        world.execute_payload(world.step(run, 1))
    assert world.llm.calls == []


def test_a_throttled_call_waits_as_long_as_it_is_asked_to_and_then_succeeds(world: World) -> None:
    run = world.started("one")
    world.llm.script(LlmThrottled("Later.", 2.0), "first")
    waiting = world.execute_payload(world.step(run))
    assert (waiting.outcome, waiting.wait_seconds, waiting.tries, waiting.position) == ("wait", 2, 1, 0)
    assert responses(world) == ()
    assert world.execute_payload(waiting).outcome == "completed"
    (response,) = responses(world)
    assert (response.metadata["tries"], response.metadata["llm_instance"]) == (1, "demo")


def test_a_run_that_is_cancelled_during_a_wait_calls_no_llm_again(world: World) -> None:
    run = world.started("one")
    world.llm.script(LlmThrottled("Later.", 2.0))
    waiting = world.execute_payload(world.step(run))
    world.change_run.cancel(TENANT, 1, NOON)
    assert world.execute_payload(waiting).outcome == "failed"
    assert (len(world.llm.calls), responses(world)) == (1, ())


def test_an_earlier_attempt_that_wakes_from_a_wait_calls_no_llm_again(world: World) -> None:
    run = world.started("one")
    world.llm.script(LlmThrottled("Later.", 2.0))
    waiting = world.execute_payload(world.step(run))
    world.change_run.cancel(TENANT, 1, NOON)
    world.change_run.resume(TENANT, 1, NOON)
    assert world.execute_payload(waiting).outcome == "failed"
    assert (len(world.llm.calls), responses(world)) == (1, ())


def test_a_payload_that_waits_tells_its_start_once(world: World) -> None:
    run = world.started("one")
    world.llm.script(LlmThrottled("Later.", 2.0), LlmTimeout("Too slow."), "first")
    waiting = world.execute_payload(world.step(run))
    started_at = world.runs.read(TENANT, 1).payload_started_at
    changes = len(world.runs.changes)
    waiting = world.execute_payload(waiting)
    assert len(world.runs.changes) == changes
    world.execute_payload(waiting)
    assert responses(world)[0].started_at == started_at


def test_five_throttles_end_in_failed(world: World) -> None:
    run = world.started("one")
    world.llm.script(*[LlmThrottled("Too many requests.", 2.0)] * 5)
    step = world.state_machine.execute(world.step(run))
    assert (step.outcome, len(world.llm.calls)) == ("failed", 5)
    ended = world.runs.read(TENANT, 1)
    assert (ended.status, ended.error) == (
        "failed",
        "Payload 'p0' (position 0): Too many requests. Given up after 5 calls.",
    )


def test_each_payload_has_its_own_number_of_calls(world: World) -> None:
    run = world.started("one", "two")
    throttles = [LlmThrottled("Too many requests.", 2.0)] * 4
    world.llm.script(*throttles, "first", *throttles, "second")
    assert world.state_machine.execute(world.step(run)).outcome == "completed"


@pytest.mark.parametrize("error", [LlmRefused("No such model."), LlmAnswerInvalid("No choices in the answer.")])
def test_a_refusal_fails_at_once_and_says_what_and_where(world: World, error: Exception) -> None:
    run = world.started("one", "two")
    world.llm.script("first", error)
    world.execute_payload(world.step(run))
    after = world.execute_payload(world.step(run, 1))
    assert (after.outcome, after.error) == ("failed", f"Payload 'p1' (position 1): {error}")
    assert [response.content for response in responses(world)] == ["first"]


def test_what_has_no_name_is_raised(world: World) -> None:
    run = world.started("one")
    world.llm.script(KeyError("choices"))
    with pytest.raises(KeyError):
        world.execute_payload(world.step(run))


def test_a_missing_reference_stays_as_it_was_written_and_metadata_says_so(world: World) -> None:
    run = world.started("one", "{{ nobody }}, {{p0}} and {{ topic }}", topic={"a": 1})
    world.llm.script("{{topic}}", "second")
    world.state_machine.execute(world.step(run))
    assert world.llm.prompts[1] == '{{ nobody }}, {{topic}} and {"a": 1}'
    assert responses(world)[1].metadata["references"] == [
        {"name": "nobody", "where": "prompt", "source": "missing"},
        {"name": "p0", "where": "prompt", "source": "response", "position": 0},
        {"name": "topic", "where": "prompt", "source": "variable"},
    ]


def test_a_run_that_is_to_fail_for_a_missing_reference_fails_before_the_llm_is_called(world: World) -> None:
    workflow = world.workflow("one", "{{p0.title}}")
    run = world.start_run(TENANT, workflow, {}, NOON, "fail")
    world.llm.script("no json")
    step = world.state_machine.execute(world.step(run))
    assert step.error == "Payload 'p1' (position 1): There is nothing to be found for {{p0.title}}."
    assert world.llm.prompts == ["one"]


def test_a_missing_reference_may_become_nothing(world: World) -> None:
    workflow = world.workflow("one", "<{{p0.title}}> <{{ nobody }}> <{{p0}}>")
    run = world.start_run(TENANT, workflow, {}, NOON, "empty")
    world.llm.script("no json", "second")
    world.state_machine.execute(world.step(run))
    assert world.llm.prompts[1] == "<> <> <no json>"
    assert [reference["source"] for reference in responses(world)[1].metadata["references"]] == [
        "missing",
        "missing",
        "response",
    ]


def test_a_payload_that_occurs_twice_answers_twice_and_the_latest_is_meant(world: World) -> None:
    workflow = world.workflow("draft", "", "{{draft}}", names=["draft", "draft", "review"])
    run = world.start_run(TENANT, workflow, {"draft": "never"}, world.clock())
    world.llm.script("one", "two", "done")
    world.state_machine.execute(world.step(run))
    assert world.llm.prompts == ["draft", "draft", "two"]


def test_metadata_tells_how_long_the_call_took(world: World) -> None:
    run = world.started("one")

    def slowly(_call: object) -> object:
        world.clock.advance(2.5)
        return an_answer("first", completion_tokens=50)

    replace(world.execute_payload, llm=slowly)(world.step(run))  # type: ignore[arg-type]
    metadata = responses(world)[0].metadata
    assert (metadata["duration_ms"], metadata["tokens_per_second"]) == (2500, 20.0)


def with_system(world: World, system: str, on_missing: OnMissing = "keep", **variables: object) -> Step:
    """The only step of a run whose one payload has this system text."""
    workflow_id = world.workflow("Go. {{topic}}")
    payload = world.catalog.read(TENANT, Payload, 1)
    changed = replace(payload, settings=LlmSettings(system=system), version=2)
    world.catalog.replace(TENANT, payload, changed, world.catalog.read_ledger(TENANT))
    run = world.start_run(TENANT, workflow_id, variables, NOON, on_missing)
    world.state_machine.begin(world.step(run))
    return world.step(run)


def test_the_system_text_is_rendered_and_its_references_are_told_apart_from_the_prompts(world: World) -> None:
    step = with_system(
        world, r"You are {{ user.role }}. {{topic}} \{{topic}} {{nobody}}", topic="X", user={"role": "Y"}
    )
    world.llm.script("first")
    world.execute_payload(step)
    assert world.llm.calls[0].settings.system == "You are Y. X {{topic}} {{nobody}}"
    assert responses(world)[0].metadata["references"] == [
        {"name": "topic", "where": "prompt", "source": "variable"},
        {"name": "user.role", "where": "system", "source": "variable"},
        {"name": "topic", "where": "system", "source": "variable"},
        {"name": "nobody", "where": "system", "source": "missing"},
    ]


def test_what_is_missing_in_a_system_text_can_become_nothing_and_code_stays(world: World) -> None:
    step = with_system(world, "A {{nobody}} {{ x | upper }} {{ .Values.x }}", "empty", topic="X")
    world.llm.script("first")
    world.execute_payload(step)
    assert world.llm.calls[0].settings.system == "A  {{ x | upper }} {{ .Values.x }}"


def test_a_run_that_is_to_fail_looks_at_the_system_text_too(world: World) -> None:
    with pytest.raises(Invalid, match="nobody"):
        with_system(world, "{{nobody}}", "fail", topic="X")


def test_more_missing_references_than_are_told_become_nothing_as_well(world: World) -> None:
    step = with_system(world, "".join(f"{{{{n{number}}}}}" for number in range(500)), "empty", topic="X")
    world.llm.script("first")
    world.execute_payload(step)
    assert world.llm.calls[0].settings.system == ""
    assert len(responses(world)[0].metadata["references"]) == 101


OF_THE_SNAPSHOT = (
    " Attempt 2 used the definition as it was when the run was started; to use the newest, execute workflow 1 again."
)


def resumed_after(world: World, failure: LlmError) -> Step:
    """What the second attempt of a run comes to that failed in its first payload."""
    run = world.started("one")
    world.llm.script(LlmRefused("There is no model m."), *[failure] * 9)
    assert world.state_machine.execute(world.step(run)).outcome == "failed"
    resumed = world.change_run.resume(TENANT, 1, NOON)
    return world.state_machine.execute(world.step(resumed))


@pytest.mark.parametrize(
    "failure",
    [LlmRefused("There is no model m."), LlmUnreachable("No such host."), LlmAnswerInvalid("That is no JSON.")],
)
def test_a_resume_that_its_snapshot_makes_fail_says_so_and_how_to_take_the_newest(
    world: World, failure: LlmError
) -> None:
    after = resumed_after(world, failure)
    assert after.outcome == "failed"
    assert (after.error or "").endswith(OF_THE_SNAPSHOT)
    assert str(failure) in (after.error or "")


def test_the_advice_stands_behind_a_long_message_of_a_provider_too(world: World) -> None:
    assert (resumed_after(world, LlmRefused("x" * 5000)).error or "").endswith(OF_THE_SNAPSHOT)


def test_the_first_attempt_does_not_speak_of_a_snapshot(world: World) -> None:
    world.llm.script(LlmRefused("There is no model m."))
    assert "definition as it was" not in (world.execute_payload(world.step(world.started("one"))).error or "")


def test_a_resume_that_fails_for_a_passing_reason_does_not_blame_the_snapshot(world: World) -> None:
    assert "definition as it was" not in (resumed_after(world, LlmTimeout("Too slow.")).error or "")
