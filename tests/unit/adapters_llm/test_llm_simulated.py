"""The simulated provider, option by option, and the registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm import registry, simulated
from baton.domain.errors import LlmError, LlmRefused, LlmServerError, LlmThrottled, LlmTimeout
from baton.domain.llm import LlmAnswer, LlmCall

Build = Callable[..., LlmCall]


def test_the_same_call_gets_the_same_answer_and_shows_what_was_handed_over(a_call: Build) -> None:
    first = simulated.complete(a_call())
    assert first == simulated.complete(a_call(tries=3))
    assert first.content == (
        "small-1 read 11 words, from “Tell me about the relay race of 1912 …” "
        "to “… the relay race of 1912 in one sentence.”."
    )
    assert (first.model, first.prompt_tokens, first.finish_reason) == ("small-1", 11, "stop")
    assert first.completion_tokens == len(first.content.split())


@pytest.mark.parametrize(
    ("prompt", "content"),
    [("", "m was given an empty prompt."), ("Hi", "m read 1 word: “Hi”."), ("a b", "m read 2 words: “a b”.")],
)
def test_short_prompts_are_quoted_whole(a_call: Build, prompt: str, content: str) -> None:
    assert simulated.complete(a_call(prompt=prompt, model="m")).content == content


def test_the_system_prompt_counts(a_call: Build) -> None:
    assert simulated.complete(a_call(system="Be brief.")).prompt_tokens == 13


@pytest.mark.parametrize(
    ("max_tokens", "content", "reason"),
    [(None, "one\n two", "stop"), (2, "one\n two", "stop"), (1, "one", "length"), (0, "", "length")],
)
def test_max_tokens_cuts_and_says_so(a_call: Build, max_tokens: int | None, content: str, reason: str) -> None:
    answer = simulated.complete(a_call(max_tokens=max_tokens, options={"answer": "one\n two"}))
    assert answer == LlmAnswer(
        content=content,
        model="small-1",
        prompt_tokens=11,
        completion_tokens=len(content.split()),
        finish_reason=reason,
    )


def test_it_takes_its_time_up_to_the_time_out(a_call: Build) -> None:
    slept: list[float] = []
    simulated.complete(a_call(options={"delay_seconds": 2.5}), slept.append)
    simulated.complete(a_call(options={"delay_seconds": 2.5}, timeout_seconds=2.5), slept.append)
    with pytest.raises(LlmTimeout, match="within 1 s"):
        simulated.complete(a_call(options={"delay_seconds": 2.5}, timeout_seconds=1), slept.append)
    assert slept == [2.5, 2.5, 1]


def test_it_throttles_the_first_tries_at_once_with_its_wish(a_call: Build) -> None:
    slept: list[float] = []
    options = {"throttle_tries": 2, "retry_after_seconds": 2, "delay_seconds": 9}
    for tries in (0, 1):
        with pytest.raises(LlmThrottled, match="429") as caught:
            simulated.complete(a_call(options=options, tries=tries), slept.append)
        assert caught.value.retry_after == 2
    assert not slept
    assert simulated.complete(a_call(options=options, tries=2), slept.append).content


def test_throttling_without_a_wish_says_none(a_call: Build) -> None:
    with pytest.raises(LlmThrottled) as caught:
        simulated.complete(a_call(options={"throttle_tries": 1}))
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("status", "kind"), [(400, LlmRefused), (500, LlmServerError), (503, LlmThrottled), (408, LlmTimeout)]
)
def test_it_fails_through_the_same_table(a_call: Build, status: int, kind: type[LlmError]) -> None:
    slept: list[float] = []
    options = {"fail_status": status, "fail_message": "As told", "delay_seconds": 1}
    with pytest.raises(LlmError, match=f"status {status}: As told.") as caught:
        simulated.complete(a_call(options=options), slept.append)
    assert type(caught.value) is kind
    assert slept == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answer", 5),
        ("delay_seconds", "3"),
        ("delay_seconds", -1),
        ("delay_seconds", True),
        ("delay_seconds", float("inf")),
        ("delay_seconds", float("nan")),
        ("throttle_tries", 1.5),
        ("retry_after_seconds", []),
        ("fail_status", 200),
        ("fail_status", "500"),
        ("fail_message", {}),
    ],
)
def test_an_option_of_the_wrong_type_is_refused_by_name(a_call: Build, name: str, value: object) -> None:
    with pytest.raises(LlmRefused, match=f"option '{name}' must be"):
        simulated.complete(a_call(options={name: value}))


def test_options_left_open_or_of_other_providers_are_ignored(a_call: Build) -> None:
    assert simulated.complete(a_call(options={"answer": None, "top_k": 3})) == simulated.complete(a_call())


@pytest.mark.parametrize("told", [{"prompt": "a\ud800b"}, {"options": {"answer": "a\ud800b"}}])
def test_a_lone_surrogate_is_replaced(a_call: Build, told: dict[str, Any]) -> None:
    assert "a\ufffdb" in simulated.complete(a_call(**told)).content


@given(
    prompt=st.text(),
    answer=st.none() | st.text(),
    max_tokens=st.none() | st.integers(0, 9),
)
def test_any_prompt_gets_an_encodable_answer(
    a_call: Build, prompt: str, answer: str | None, max_tokens: int | None
) -> None:
    read = simulated.complete(a_call(prompt=prompt, max_tokens=max_tokens, options={"answer": answer}))
    read.content.encode("utf-8")


def test_the_registry_lets_the_instances_own_provider_answer(a_call: Build) -> None:
    assert registry.PROVIDER_NAMES == ("openai", "simulated")
    assert registry.complete(a_call(provider="simulated")) == simulated.complete(a_call())


def test_an_unknown_provider_is_refused_by_name(a_call: Build) -> None:
    with pytest.raises(LlmRefused, match=r"'demo'.*'parrot'.*openai, simulated"):
        registry.complete(a_call(provider="parrot"))


def test_importing_the_registry_imports_no_http_library() -> None:
    code = "import sys, baton.adapters.llm.registry; print({'requests', 'urllib3', 'ssl', 'boto3'} & set(sys.modules))"
    path = registry.__file__.removesuffix("/baton/adapters/llm/registry.py")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path}, check=False
    )
    assert done.stdout.strip() == "set()", done.stderr
