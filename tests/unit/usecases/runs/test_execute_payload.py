"""Execute one payload: the LLM is called again only if necessary, and at most one response is stored."""

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
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Sources
from baton.domain.runs.responses import Response
from baton.domain.runs.run import OnMissing, Run, StartOptions, cancelled
from baton.domain.runs.steps import Step
from baton.usecases.runs.execute_payload import ExecutePayload
from tests.fakes.runs import FakeSteps
from tests.support.records import AT_NOON, NOON, TENANT, an_answer, an_api_key
from tests.support.use_cases import FakeBaton


class CrashingSteps(FakeSteps):
    """The first time, the function crashes after the LLM's answer and before it stores the response."""

    crashes = 1

    def store_response(self, run: Run, response: Response) -> None:
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("out of memory")
        super().store_response(run, response)


class RacingSteps(FakeSteps):
    """Another delivery of the same payload stores its response just before this one does."""

    def store_response(self, run: Run, response: Response) -> None:
        super().store_response(run, replace(response, content="the other one"))
        super().store_response(run, response)


def on(fake_baton: FakeBaton, steps: FakeSteps) -> ExecutePayload:
    return replace(fake_baton.execute_payload, steps=steps)


def responses(fake_baton: FakeBaton) -> tuple[Response, ...]:
    return tuple(fake_baton.runs.read_responses(TENANT, 1, 100, None).items)


def test_a_payload_stores_its_response_and_the_next_payload_follows(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("Tell me of {{topic}}.", "And then?", topic="relays")
    fake_baton.llm.script(an_answer("Long ago."))
    after = fake_baton.execute_payload(fake_baton.step(run))
    assert (after.outcome, after.position, after.tries, after.error) == ("continue", 1, 0, None)
    assert fake_baton.llm.prompts == ["Tell me of relays."]
    (response,) = responses(fake_baton)
    assert (response.content, response.prompt, response.position) == ("Long ago.", "Tell me of relays.", 0)
    assert (response.payload_name, response.payload_id, response.total, response.attempt) == ("p0", 1, 2, 1)
    assert response.expires_at == run.expires_at


def test_the_last_payload_completes_the_run(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "{{p0}} two")
    fake_baton.llm.script("first", "second")
    assert fake_baton.execute_payload(fake_baton.step(run, 0)).outcome == "continue"
    assert fake_baton.execute_payload(fake_baton.step(run, 1)).outcome == "completed"
    assert fake_baton.llm.prompts == ["one", "first two"]
    assert [response.id for response in responses(fake_baton)] == [run.first_response_id, run.first_response_id + 1]


def test_the_run_shows_the_current_payload(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("first", LlmThrottled("Later."))
    fake_baton.execute_payload(fake_baton.step(run, 0))
    fake_baton.execute_payload(fake_baton.step(run, 1))
    shown = fake_baton.runs.read(TENANT, 1)
    assert (shown.status, shown.position, shown.completed, shown.payload_name) == ("running", 1, 1, "p1")


def test_the_llm_call_has_the_settings_and_the_endpoint_of_the_snapshot(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script("first")
    fake_baton.execute_payload(replace(fake_baton.step(run), tries=2))
    (call,) = fake_baton.llm.calls
    assert call.settings == LlmSettings(temperature=0.1, max_tokens=50, stop=("END",), options={"top_k": 3})
    assert (call.endpoint.instance_name, call.endpoint.provider, call.model) == ("demo", "simulated", "small-1")
    assert (call.api_key, call.tries) == (None, 2)


def test_a_key_is_read_when_the_instance_has_one(fake_baton: FakeBaton) -> None:
    fake_baton.secrets.write_api_key(TENANT, 1, an_api_key())
    run = fake_baton.start_run(TENANT, fake_baton.workflow("one", has_api_key=True), {}, fake_baton.clock())
    fake_baton.state_machine.start(fake_baton.step(run))
    fake_baton.llm.script("first")
    fake_baton.execute_payload(fake_baton.step(run))
    assert fake_baton.llm.calls[0].api_key == "sk-one"


def test_a_missing_key_fails_the_run_without_an_llm_call(fake_baton: FakeBaton) -> None:
    run = fake_baton.start_run(TENANT, fake_baton.workflow("one", has_api_key=True), {}, fake_baton.clock())
    fake_baton.state_machine.start(fake_baton.step(run))
    after = fake_baton.execute_payload(fake_baton.step(run))
    assert (after.outcome, fake_baton.llm.calls) == ("failed", [])
    assert after.error is not None
    assert "API key of LLM instance 1" in after.error


def test_a_redelivered_payload_does_not_call_the_llm_again(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("first")
    first = fake_baton.execute_payload(fake_baton.step(run))
    again = fake_baton.execute_payload(fake_baton.step(run))
    assert first == again
    assert len(fake_baton.llm.calls) == 1
    assert [response.content for response in responses(fake_baton)] == ["first"]


def test_a_redelivered_last_payload_completes_without_an_llm_call(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script("first")
    fake_baton.execute_payload(fake_baton.step(run))
    assert fake_baton.execute_payload(fake_baton.step(run)).outcome == "completed"
    assert len(fake_baton.llm.calls) == 1


def test_a_crash_before_the_response_is_stored_causes_a_second_call_and_one_response(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    execute = on(fake_baton, CrashingSteps(fake_baton.runs))
    fake_baton.llm.script("lost", "stored")
    with pytest.raises(RuntimeError, match="out of memory"):
        execute(fake_baton.step(run))
    assert responses(fake_baton) == ()
    assert execute(fake_baton.step(run)).outcome == "continue"
    assert len(fake_baton.llm.calls) == 2
    assert [response.content for response in responses(fake_baton)] == ["stored"]


def test_of_two_deliveries_at_the_same_time_the_first_stored_response_is_used(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("mine")
    after = on(fake_baton, RacingSteps(fake_baton.runs))(fake_baton.step(run))
    assert (after.outcome, after.position) == ("continue", 1)
    assert [response.content for response in responses(fake_baton)] == ["the other one"]


def test_a_superseded_attempt_calls_no_llm_and_stores_no_response(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.runs.write(replace(run, attempt=2))
    after = fake_baton.execute_payload(fake_baton.step(run))
    assert (after.outcome, after.error) == ("failed", "The run is no longer running this attempt.")
    assert (fake_baton.llm.calls, responses(fake_baton)) == ([], ())


@pytest.mark.parametrize("status", ["created", "completed", "failed", "cancelled"])
def test_a_run_that_is_not_running_calls_no_llm(fake_baton: FakeBaton, status: str) -> None:
    run = fake_baton.started("one")
    fake_baton.runs.write(replace(run, status=status))  # type: ignore[arg-type]
    changes = len(fake_baton.runs.changes)
    assert fake_baton.execute_payload(fake_baton.step(run)).outcome == "failed"
    assert (fake_baton.llm.calls, len(fake_baton.runs.changes)) == ([], changes)


def test_a_deleted_run_calls_no_llm(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    after = fake_baton.execute_payload(replace(fake_baton.step(run), run_id=99))
    assert (after.outcome, fake_baton.llm.calls) == ("failed", [])


def test_another_tenants_run_calls_no_llm(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    after = fake_baton.execute_payload(replace(fake_baton.step(run), tenant="globex"))
    assert (after.outcome, fake_baton.llm.calls) == ("failed", [])


def test_a_run_that_is_cancelled_just_before_the_payload_starts_calls_no_llm(fake_baton: FakeBaton) -> None:
    """It starts by itself, since it was not known when the run was resumed."""
    run = replace(fake_baton.started("one"), payload_id=None, payload_name=None)
    fake_baton.runs.write(run)

    class Cancelling(FakeSteps):
        def read_sources(self, *_args: object) -> Sources:
            raise AssertionError("the payload has started")

        def start_payload(self, *args: object) -> None:
            fake_baton.runs.change(run, cancelled(run, AT_NOON))
            super().start_payload(*args)  # type: ignore[arg-type]

    after = on(fake_baton, Cancelling(fake_baton.runs))(fake_baton.step(run))
    assert (after.outcome, fake_baton.llm.calls) == ("failed", [])
    assert fake_baton.runs.read(TENANT, 1).status == "cancelled"


def test_a_position_after_the_last_payload_completes_the_run(fake_baton: FakeBaton) -> None:
    """As after a resume of a run that was cancelled between its last answer and its end."""
    run = fake_baton.started("one")
    fake_baton.llm.script("first")
    fake_baton.execute_payload(fake_baton.step(run))
    assert fake_baton.execute_payload(fake_baton.step(run, 1)).outcome == "completed"
    assert len(fake_baton.llm.calls) == 1


def test_a_payload_without_the_response_before_it_raises_an_error(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    with pytest.raises(RuntimeError, match="position 1"):
        fake_baton.execute_payload(fake_baton.step(run, 1))
    assert fake_baton.llm.calls == []


def test_a_throttled_call_waits_for_retry_after_and_then_succeeds(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmThrottled("Later.", 2.0), "first")
    waiting = fake_baton.execute_payload(fake_baton.step(run))
    assert (waiting.outcome, waiting.wait_seconds, waiting.tries, waiting.position) == ("wait", 2, 1, 0)
    assert responses(fake_baton) == ()
    assert fake_baton.execute_payload(waiting).outcome == "completed"
    (response,) = responses(fake_baton)
    assert (response.metadata["tries"], response.metadata["llm_instance"]) == (1, "demo")


def test_a_run_that_is_cancelled_during_a_wait_calls_no_llm_again(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmThrottled("Later.", 2.0))
    waiting = fake_baton.execute_payload(fake_baton.step(run))
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    assert fake_baton.execute_payload(waiting).outcome == "failed"
    assert (len(fake_baton.llm.calls), responses(fake_baton)) == (1, ())


def test_a_superseded_attempt_calls_no_llm_after_its_wait(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmThrottled("Later.", 2.0))
    waiting = fake_baton.execute_payload(fake_baton.step(run))
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    fake_baton.change_run.resume(TENANT, 1, NOON)
    assert fake_baton.execute_payload(waiting).outcome == "failed"
    assert (len(fake_baton.llm.calls), responses(fake_baton)) == (1, ())


def test_a_payload_that_waits_publishes_its_start_only_once(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmThrottled("Later.", 2.0), LlmTimeout("Too slow."), "first")
    waiting = fake_baton.execute_payload(fake_baton.step(run))
    started_at = fake_baton.runs.read(TENANT, 1).payload_started_at
    changes = len(fake_baton.runs.changes)
    waiting = fake_baton.execute_payload(waiting)
    assert len(fake_baton.runs.changes) == changes
    fake_baton.execute_payload(waiting)
    assert responses(fake_baton)[0].started_at == started_at


def test_five_throttled_calls_fail_the_run(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(*[LlmThrottled("Too many requests.", 2.0)] * 5)
    step = fake_baton.state_machine.execute(fake_baton.step(run))
    assert (step.outcome, len(fake_baton.llm.calls)) == ("failed", 5)
    ended = fake_baton.runs.read(TENANT, 1)
    assert (ended.status, ended.error) == (
        "failed",
        "Payload 'p0' (position 0): Too many requests. Given up after 5 calls.",
    )


def test_each_payload_counts_its_own_tries(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    throttles = [LlmThrottled("Too many requests.", 2.0)] * 4
    fake_baton.llm.script(*throttles, "first", *throttles, "second")
    assert fake_baton.state_machine.execute(fake_baton.step(run)).outcome == "completed"


@pytest.mark.parametrize("error", [LlmRefused("No such model."), LlmAnswerInvalid("No choices in the answer.")])
def test_a_permanent_error_fails_the_run_and_its_error_names_the_payload(
    fake_baton: FakeBaton, error: Exception
) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("first", error)
    fake_baton.execute_payload(fake_baton.step(run))
    after = fake_baton.execute_payload(fake_baton.step(run, 1))
    assert (after.outcome, after.error) == ("failed", f"Payload 'p1' (position 1): {error}")
    assert [response.content for response in responses(fake_baton)] == ["first"]


def test_an_unexpected_error_is_raised(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.llm.script(KeyError("choices"))
    with pytest.raises(KeyError):
        fake_baton.execute_payload(fake_baton.step(run))


def test_a_missing_reference_is_left_verbatim_and_listed_in_the_metadata(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "{{ nobody }}, {{p0}} and {{ topic }}", topic={"a": 1})
    fake_baton.llm.script("{{topic}}", "second")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert fake_baton.llm.prompts[1] == '{{ nobody }}, {{topic}} and {"a": 1}'
    assert responses(fake_baton)[1].metadata["references"] == [
        {"name": "nobody", "where": "prompt", "source": "missing"},
        {"name": "p0", "where": "prompt", "source": "response", "position": 0},
        {"name": "topic", "where": "prompt", "source": "variable"},
    ]


def test_with_on_missing_fail_a_missing_reference_fails_the_run_before_the_llm_call(fake_baton: FakeBaton) -> None:
    workflow = fake_baton.workflow("one", "{{p0.title}}")
    run = fake_baton.start_run(TENANT, workflow, {}, NOON, StartOptions(on_missing="fail"))
    fake_baton.llm.script("no json")
    step = fake_baton.state_machine.execute(fake_baton.step(run))
    assert step.error == "Payload 'p1' (position 1): These references can't be resolved: {{p0.title}}."
    assert fake_baton.llm.prompts == ["one"]


@pytest.mark.parametrize(("times", "prompts"), [(10, 2), (11, 1)])
def test_a_prompt_over_10_mb_fails_the_run_before_it_is_rendered(
    fake_baton: FakeBaton, times: int, prompts: int
) -> None:
    """A name may occur any number of times, so a short template can become a prompt of any length."""
    run = fake_baton.start_run(TENANT, fake_baton.workflow("one", "{{p0}}" * times), {}, NOON)
    fake_baton.llm.script("x" * 1_000_000, "two")
    step = fake_baton.state_machine.execute(fake_baton.step(run))
    assert len(fake_baton.llm.prompts) == prompts
    if prompts == 1:
        assert step.error == (
            "Payload 'p1' (position 1): The prompt and its system text have 11,000,000 bytes; at most 10,000,000 are "
            "allowed. Refer to shorter answers."
        )


def test_with_on_missing_empty_a_missing_reference_is_removed(fake_baton: FakeBaton) -> None:
    workflow = fake_baton.workflow("one", "<{{p0.title}}> <{{ nobody }}> <{{p0}}>")
    run = fake_baton.start_run(TENANT, workflow, {}, NOON, StartOptions(on_missing="empty"))
    fake_baton.llm.script("no json", "second")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert fake_baton.llm.prompts[1] == "<> <> <no json>"
    assert [reference["source"] for reference in responses(fake_baton)[1].metadata["references"]] == [
        "missing",
        "missing",
        "response",
    ]


def test_a_reference_to_a_payload_that_occurs_twice_uses_its_latest_response(fake_baton: FakeBaton) -> None:
    workflow = fake_baton.workflow("draft", "", "{{draft}}", names=["draft", "draft", "review"])
    run = fake_baton.start_run(TENANT, workflow, {"draft": "never"}, fake_baton.clock())
    fake_baton.llm.script("one", "two", "done")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert fake_baton.llm.prompts == ["draft", "draft", "two"]


def test_metadata_contains_the_duration_of_the_call_and_the_tokens_per_second(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")

    def slowly(_call: object, _listener: object) -> object:
        fake_baton.clock.advance(2.5)
        return an_answer("first", completion_tokens=50)

    replace(fake_baton.execute_payload, llm=slowly)(fake_baton.step(run))  # type: ignore[arg-type]
    metadata = responses(fake_baton)[0].metadata
    assert (metadata["duration_ms"], metadata["tokens_per_second"]) == (2500, 20.0)


def with_system(fake_baton: FakeBaton, system: str, on_missing: OnMissing = "keep", **variables: object) -> Step:
    """The only step of a run whose one payload has this system text."""
    workflow_id = fake_baton.workflow("Go. {{topic}}")
    payload = fake_baton.catalog.read(TENANT, Payload, 1)
    changed = replace(payload, settings=LlmSettings(system=system), version=2)
    fake_baton.catalog.replace(TENANT, payload, changed, fake_baton.catalog.read_ledger(TENANT))
    run = fake_baton.start_run(TENANT, workflow_id, variables, NOON, StartOptions(on_missing=on_missing))
    fake_baton.state_machine.start(fake_baton.step(run))
    return fake_baton.step(run)


def test_the_system_text_is_rendered_and_its_references_are_listed_as_system_references(fake_baton: FakeBaton) -> None:
    step = with_system(
        fake_baton, r"You are {{ user.role }}. {{topic}} \{{topic}} {{nobody}}", topic="X", user={"role": "Y"}
    )
    fake_baton.llm.script("first")
    fake_baton.execute_payload(step)
    assert fake_baton.llm.calls[0].settings.system == "You are Y. X {{topic}} {{nobody}}"
    assert responses(fake_baton)[0].metadata["references"] == [
        {"name": "topic", "where": "prompt", "source": "variable"},
        {"name": "user.role", "where": "system", "source": "variable"},
        {"name": "topic", "where": "system", "source": "variable"},
        {"name": "nobody", "where": "system", "source": "missing"},
    ]


def test_with_on_missing_empty_missing_references_of_a_system_text_are_removed_and_code_is_left(
    fake_baton: FakeBaton,
) -> None:
    step = with_system(fake_baton, "A {{nobody}} {{ x | upper }} {{ .Values.x }}", "empty", topic="X")
    fake_baton.llm.script("first")
    fake_baton.execute_payload(step)
    assert fake_baton.llm.calls[0].settings.system == "A  {{ x | upper }} {{ .Values.x }}"


def test_with_on_missing_fail_a_missing_reference_in_the_system_text_is_rejected(fake_baton: FakeBaton) -> None:
    with pytest.raises(Invalid, match="nobody"):
        with_system(fake_baton, "{{nobody}}", "fail", topic="X")


def test_with_on_missing_empty_missing_references_that_are_not_listed_are_removed_too(fake_baton: FakeBaton) -> None:
    step = with_system(fake_baton, "".join(f"{{{{n{number}}}}}" for number in range(500)), "empty", topic="X")
    fake_baton.llm.script("first")
    fake_baton.execute_payload(step)
    assert fake_baton.llm.calls[0].settings.system == ""
    assert len(responses(fake_baton)[0].metadata["references"]) == 101


SNAPSHOT_HINT = (
    " Attempt 2 used the definition as it was when the run was started; "
    'to use the newest, resume the run with "definition": "latest".'
)


def resumed_after(fake_baton: FakeBaton, failure: LlmError) -> Step:
    """The last step of the second attempt of a run that failed in its first payload."""
    run = fake_baton.started("one")
    fake_baton.llm.script(LlmRefused("There is no model m."), *[failure] * 9)
    assert fake_baton.state_machine.execute(fake_baton.step(run)).outcome == "failed"
    resumed = fake_baton.change_run.resume(TENANT, 1, NOON)
    return fake_baton.state_machine.execute(fake_baton.step(resumed))


@pytest.mark.parametrize(
    "failure",
    [LlmRefused("There is no model m."), LlmUnreachable("No such host."), LlmAnswerInvalid("That is no JSON.")],
)
def test_a_resumed_run_that_fails_because_of_its_snapshot_explains_how_to_use_the_newest_definition(
    fake_baton: FakeBaton, failure: LlmError
) -> None:
    after = resumed_after(fake_baton, failure)
    assert after.outcome == "failed"
    assert (after.error or "").endswith(SNAPSHOT_HINT)
    assert str(failure) in (after.error or "")


def test_the_hint_follows_even_a_long_error_of_a_provider(fake_baton: FakeBaton) -> None:
    assert (resumed_after(fake_baton, LlmRefused("x" * 5000)).error or "").endswith(SNAPSHOT_HINT)


def test_an_error_of_the_first_attempt_has_no_hint_about_the_snapshot(fake_baton: FakeBaton) -> None:
    fake_baton.llm.script(LlmRefused("There is no model m."))
    assert "definition as it was" not in (
        fake_baton.execute_payload(fake_baton.step(fake_baton.started("one"))).error or ""
    )


def test_a_resumed_run_that_fails_temporarily_has_no_hint_about_the_snapshot(fake_baton: FakeBaton) -> None:
    assert "definition as it was" not in (resumed_after(fake_baton, LlmTimeout("Too slow.")).error or "")
