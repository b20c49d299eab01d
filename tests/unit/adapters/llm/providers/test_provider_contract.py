"""The provider contract: every provider passes it, with the cases of its own API. No sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import Event
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmUnreachable
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.providers.contract import ProviderCases
from tests.support.providers.parametrized import each, every_provider, with_event_streams

type Build = Callable[..., LlmCall]


# --- request -------------------------------------------------------------------------------------------------------


@every_provider
def test_each_setting_is_sent_in_the_api_form_and_zero_is_a_value(a_call: Build, provider: ProviderCases) -> None:
    assert provider.request(a_call(**provider.settings)) == provider.settings_request


@each("settings", "expected", of="unsupported")
def test_unsupported_settings_are_found_without_a_call(
    a_call: Build, provider: ProviderCases, settings: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = provider.unsupported_settings(a_call(**settings).settings)
    assert [(unsupported.setting, unsupported.detail) for unsupported in found] == expected


@each("name", of="reserved_options")
def test_an_option_that_baton_sets_itself_is_rejected_by_name(
    a_call: Build, provider: ProviderCases, name: str
) -> None:
    call = a_call(options={name: True})
    with pytest.raises(LlmRefused, match=name):
        provider.request(call)
    (unsupported,) = provider.unsupported_settings(call.settings)
    assert unsupported.setting == "options"
    assert name in unsupported.detail


@each("base_url", "url", of="urls")
def test_the_path_is_joined_to_the_base_url(a_call: Build, provider: ProviderCases, base_url: str, url: str) -> None:
    assert provider.url(a_call(base_url=base_url)) == url


@each("base_url", of="invalid_base_urls")
def test_an_invalid_base_url_is_rejected(a_call: Build, provider: ProviderCases, base_url: str | None) -> None:
    with pytest.raises(LlmRefused, match=r"'demo'.*base URL"):
        provider.request(a_call(base_url=base_url))


# --- answer --------------------------------------------------------------------------------------------------------


@every_provider
def test_an_answer_is_read_with_its_model_counts_and_finish_reason(a_call: Build, provider: ProviderCases) -> None:
    assert provider.read(provider.whole, a_call(model=provider.model)) == provider.whole_answer


@each("body", "text", of="texts")
def test_texts_are_joined_other_parts_are_skipped_and_the_result_can_be_encoded(
    a_call: Build, provider: ProviderCases, body: object, text: str
) -> None:
    answer = provider.read(body, a_call())
    assert answer.content == text
    answer.content.encode("utf-8")


@each("body", "reason", of="finish_reasons")
def test_finish_reasons_have_one_form_for_all_providers(
    a_call: Build, provider: ProviderCases, body: object, reason: str | None
) -> None:
    answer = provider.read(body, a_call())
    assert (answer.finish_reason, answer.truncated) == (reason, reason == "length")


@each("body", "counts", of="cached_counts")
def test_prompt_tokens_include_those_of_the_prompt_cache(
    a_call: Build, provider: ProviderCases, body: object, counts: tuple[int | None, int | None]
) -> None:
    answer = provider.read(body, a_call())
    assert (answer.prompt_tokens, answer.completion_tokens) == counts


@each("body", "named", of="wrong_shapes")
def test_an_answer_of_the_wrong_shape_fails_and_the_error_names_the_place(
    a_call: Build, provider: ProviderCases, body: object, named: str
) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"'demo' sent an answer .*{named}"):
        provider.read(body, a_call())


# --- streams -------------------------------------------------------------------------------------------------------


@with_event_streams
def test_nothing_is_read_after_the_end_of_the_answer(a_call: Build, provider: ProviderCases) -> None:
    def events() -> Iterator[Event]:
        yield from provider.complete_stream
        raise AssertionError("an event after the end was read")

    assert provider.read_stream(events(), a_call())[1] == provider.complete_stream_answer


@each("events", of="unfinished_streams")
def test_a_stream_without_an_end_is_unreachable(a_call: Build, provider: ProviderCases, events: list[Event]) -> None:
    with pytest.raises(LlmUnreachable, match=r"^LLM instance 'demo' broke off its answer\.$"):
        provider.read_stream(events, a_call())


@each("events", "kind", "message", of="stream_errors")
def test_an_error_in_a_stream_fails_as_in_a_whole_answer(
    a_call: Build, provider: ProviderCases, events: list[Event], kind: type[LlmError], message: str
) -> None:
    with pytest.raises(LlmError) as caught:
        provider.read_stream(events, a_call())
    assert type(caught.value) is kind
    assert message in str(caught.value)


@each("events", "named", of="wrong_streams")
def test_an_event_of_the_wrong_shape_fails_and_the_error_names_the_place(
    a_call: Build, provider: ProviderCases, events: list[Event], named: str
) -> None:
    with pytest.raises(LlmAnswerInvalid, match=f"^LLM instance 'demo' sent an answer .*{named}"):
        provider.read_stream(events, a_call())


@with_event_streams
@given(data=st.data())
def test_a_streamed_answer_equals_the_whole_one_and_so_does_a_failure(
    a_call: Build, provider: ProviderCases, data: st.DataObject
) -> None:
    events, whole = data.draw(provider.streamed_answers)

    def outcome(read: Callable[[], LlmAnswer]) -> object:
        try:
            return read()
        except LlmError as error:
            return type(error), str(error)

    streamed = outcome(lambda: provider.read_stream(events, a_call())[1])
    assert streamed == outcome(lambda: provider.read(whole, a_call()))
