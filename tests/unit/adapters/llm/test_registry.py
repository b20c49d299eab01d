"""The registry: the provider that is called, the format of answers, and rejections before any call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from baton.adapters.llm import registry
from baton.adapters.llm.formats import model_lists as checks
from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers.simulated import simulation as simulated
from baton.domain.errors import LlmFormatInvalid, LlmRefused
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.settings import LlmSettings
from tests.fakes.llm import FakeLlm
from tests.support.llm_calls import check, complete
from tests.support.llm_endpoint import RecordingListener

Build = Callable[..., LlmCall]
NAMES = tuple(registry.PROVIDERS)


def test_the_provider_of_the_instance_is_called(a_call: Build) -> None:
    assert NAMES == ("anthropic", "bedrock", "openai", "simulated")
    assert complete(a_call(provider="simulated")) == simulated.complete(a_call())


def test_an_unknown_provider_is_rejected_by_name(a_call: Build) -> None:
    with pytest.raises(LlmRefused, match=r"'demo'.*'parrot'.*anthropic, bedrock, openai, simulated"):
        complete(a_call(provider="parrot"))
    with pytest.raises(LlmRefused, match=r"'demo'.*'parrot'"):
        check(a_call(provider="parrot"))
    assert registry.unsupported_settings("parrot", LlmSettings(seed=1)) == []


def test_a_check_returns_the_models_of_the_endpoint(a_call: Build) -> None:
    llm = FakeLlm()
    providers = {"openai": Provider(complete=llm, check=lambda call, _transport: (call.model, "large-1"))}
    assert check(a_call(), providers=providers) == ("small-1", "large-1")
    assert llm.calls == []


def test_a_check_without_a_model_list_sends_a_short_prompt(a_call: Build) -> None:
    llm = FakeLlm("Yes.", LlmRefused("The key is wrong."))
    providers = {"openai": Provider(complete=llm)}
    assert check(a_call(model="large-1"), providers=providers) is None
    (call,) = llm.calls
    assert (call.model, call.settings.max_tokens, call.prompt) == ("large-1", 16, checks.QUESTION)
    with pytest.raises(LlmRefused, match="The key is wrong"):
        check(a_call(), providers=providers)


def test_an_unsupported_setting_is_rejected_without_a_call(a_call: Build) -> None:
    """The provider of the instance was changed after the payload was saved."""
    llm = FakeLlm()
    providers = {
        "anthropic": Provider(complete=llm, unsupported_settings=registry.PROVIDERS["anthropic"].unsupported_settings)
    }
    with pytest.raises(LlmRefused, match=r"'demo' can't be called .*: seed: is not supported by anthropic\."):
        complete(a_call(provider="anthropic", seed=1), providers=providers)
    assert llm.calls == []


@pytest.mark.parametrize("provider", NAMES)
def test_every_provider_rejects_an_invalid_schema(a_call: Build, provider: str) -> None:
    (refusal,) = registry.unsupported_settings(provider, LlmSettings(response_format={"type": "text"}))
    assert refusal.setting == "response_format"
    with pytest.raises(LlmRefused, match="response_format"):
        complete(a_call(provider=provider, response_format={"type": "text"}))


@pytest.mark.parametrize("wanted", [None, "text"])
def test_text_answers_are_not_parsed(a_call: Build, wanted: str | None) -> None:
    llm = FakeLlm("not json")
    providers = {"openai": Provider(complete=llm)}
    assert complete(a_call(response_format=wanted), providers=providers).content == "not json"


@pytest.mark.parametrize(("stream", "is_streamed"), [(None, True), (True, True), (False, False)])
@pytest.mark.parametrize("response_format", ["text", "json"])
def test_with_stream_off_the_provider_gets_no_listener(
    a_call: Build, stream: bool | None, is_streamed: bool, response_format: str
) -> None:
    llm, listener = FakeLlm("{}"), RecordingListener()
    complete(
        a_call(stream=stream, response_format=response_format), listener, providers={"openai": Provider(complete=llm)}
    )
    assert llm.listeners == [listener if is_streamed else None]


def test_a_provider_that_does_not_stream_publishes_its_answer_at_once(a_call: Build) -> None:
    llm, listener = FakeLlm("not json", "{}"), RecordingListener()
    providers = {"openai": Provider(complete=llm, streams=False)}
    complete(a_call(response_format="json"), listener, providers=providers)
    assert (listener.answers, llm.listeners) == ([["not json"], ["{}"]], [None, None])


def test_json_answers_are_parsed(a_call: Build) -> None:
    providers = {"openai": Provider(complete=FakeLlm("not json", "still not"))}
    with pytest.raises(LlmFormatInvalid):
        complete(a_call(response_format="json"), providers=providers)


def test_a_truncated_simulated_answer_is_not_json(a_call: Build) -> None:
    with pytest.raises(LlmFormatInvalid, match="cut off"):
        complete(a_call(provider="simulated", response_format="json", max_tokens=2))


def test_importing_the_registry_imports_neither_an_http_library_nor_jsonschema() -> None:
    heavy = {"requests", "urllib3", "ssl", "boto3", "botocore", "jsonschema", "referencing"}
    code = f"import sys, baton.adapters.llm.registry; print({heavy} & set(sys.modules))"
    path = registry.__file__.removesuffix("/baton/adapters/llm/registry.py")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path}, check=False
    )
    assert done.stdout.strip() == "set()", done.stderr
