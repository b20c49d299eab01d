"""Every provider reads any reply and any stream as an answer, or raises an LLM error. Bedrock's replies are read by
boto3, from an endpoint on this machine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import events
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, encodable
from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.domain.errors import LlmError, LlmUnreachable
from baton.domain.llm.calls import LlmAnswer, LlmCall
from tests.support.bedrock import account_at
from tests.support.json_values import json_values, paths, put, shaped
from tests.support.llm_calls import TRANSPORT
from tests.support.providers.contract import ProviderCases, reply
from tests.support.providers.parametrized import PROVIDERS, every_provider

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]
type Build = Callable[..., LlmCall]
type ReadReply = Callable[[HttpReply, LlmCall], LlmAnswer]

STREAMS = Path(__file__).parent / "streams"
BODILESS = (204, 304)
MAX_ERROR_BYTES = 1500


@pytest.fixture
def read_reply(request: pytest.FixtureRequest, provider: ProviderCases) -> Iterator[ReadReply]:
    """Read a reply of the provider, as an answer or an LLM error."""
    if provider.read_reply is not None:
        yield provider.read_reply
        return
    endpoint: Endpoint = request.getfixturevalue("endpoint")

    def read(sent: HttpReply, call: LlmCall) -> LlmAnswer:
        body = b"" if sent.status in BODILESS else sent.body
        endpoint.script = lambda handler: handler.reply(sent.status, body, **sent.headers)
        return bedrock.complete(replace(call, endpoint=replace(call.endpoint, base_url=None)), None, TRANSPORT)

    with account_at(endpoint.url):
        yield read


def assert_short(error: str) -> None:
    assert 0 < len(error.encode("utf-8")) < MAX_ERROR_BYTES


def assert_answer_or_error(read_reply: ReadReply, sent: HttpReply, call: LlmCall) -> None:
    """Any exception but an LLM error fails the test."""
    try:
        text = read_reply(sent, call).content
    except LlmError as error:
        assert_short(str(error))
    else:
        assert sent.status in SUCCESSES
        text.encode("utf-8")


def any_replies(provider: ProviderCases) -> st.SearchStrategy[HttpReply]:
    fuzz = provider.fuzz
    good = json.dumps(provider.whole).encode()
    cut = st.integers(0, len(good)).map(lambda end: good[:end])
    bodies = st.binary() | cut | shaped(fuzz.fields, fuzz.values).map(lambda value: json.dumps(value).encode())
    return st.builds(
        HttpReply,
        status=st.integers(fuzz.min_status, 999) | st.just(200),
        headers=st.dictionaries(st.sampled_from(fuzz.headers), fuzz.header_values),
        body=bodies,
    )


def replies_with_any_value(provider: ProviderCases) -> st.SearchStrategy[HttpReply]:
    """Good replies except for one value of any type, anywhere."""
    added = [(name,) for name in provider.fuzz.added_fields]
    places = st.sampled_from([*paths(provider.whole), *added])
    return st.builds(lambda path, value: reply(put(provider.whole, path, value)), places, json_values)


def replies_with_any_parts(provider: ProviderCases) -> st.SearchStrategy[HttpReply]:
    return provider.fuzz.answers.map(reply)


REPLIES = {
    (generated.__name__, provider.name): generated(provider)
    for generated in (any_replies, replies_with_any_value, replies_with_any_parts)
    for provider in PROVIDERS
}
"""Built once: a strategy that is built anew for each example may not repeat its choices."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@every_provider
@pytest.mark.parametrize("generated", ["any_replies", "replies_with_any_value", "replies_with_any_parts"])
@given(data=st.data())
def test_any_reply_is_an_answer_or_an_llm_error(
    a_call: Build, read_reply: ReadReply, provider: ProviderCases, generated: str, data: st.DataObject
) -> None:
    assert_answer_or_error(read_reply, data.draw(REPLIES[generated, provider.name]), a_call())


@pytest.mark.parametrize(
    ("provider", "sent"),
    [
        pytest.param(provider, sent, id=f"{provider.name}-{number}")
        for provider in PROVIDERS
        for number, sent in enumerate(provider.fuzz.replies)
    ],
)
def test_an_odd_reply_is_an_answer_or_an_llm_error(
    a_call: Build,
    read_reply: ReadReply,
    provider: ProviderCases,  # noqa: ARG001 - read_reply depends on it
    sent: HttpReply,
) -> None:
    assert_answer_or_error(read_reply, sent, a_call())


# --- streams -------------------------------------------------------------------------------------------------------


def as_event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def streams(provider: ProviderCases) -> st.SearchStrategy[list[bytes]]:
    fuzz = provider.fuzz
    odd = shaped([*fuzz.fields, *fuzz.event_fields], [*fuzz.values, *fuzz.event_values])
    return st.lists(st.binary() | (fuzz.events | odd).map(as_event), max_size=6)


STREAMS_OF = {provider.name: streams(provider) for provider in PROVIDERS}


def assert_pieces_are_the_answer(provider: ProviderCases, sent: list[bytes], call: LlmCall) -> None:
    """Or an LLM error; any other exception fails the test."""
    with contextlib.suppress(LlmError):
        pieces, answer = provider.read_stream(events(sent), call)
        assert answer.content == encodable("".join(pieces))


@every_provider
@given(data=st.data())
def test_any_stream_is_an_answer_of_its_pieces_or_an_llm_error(
    a_call: Build, provider: ProviderCases, data: st.DataObject
) -> None:
    assert_pieces_are_the_answer(provider, data.draw(STREAMS_OF[provider.name]), a_call())


@every_provider
@pytest.mark.parametrize("form", ["a long number", "a deep value"])
def test_an_odd_stream_is_an_answer_of_its_pieces_or_an_llm_error(
    a_call: Build, provider: ProviderCases, form: str
) -> None:
    sent = b"9" * 5000 if form == "a long number" else b"data: " + provider.fuzz.long_event + b"\n\n"
    assert_pieces_are_the_answer(provider, [sent], a_call())


@pytest.mark.parametrize(
    ("provider", "stream"),
    [(provider, stream) for provider in PROVIDERS for stream in provider.fuzz.streams],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_stream_cut_before_its_finish_reason_is_unreachable_and_after_it_is_an_answer(
    a_call: Build, provider: ProviderCases, stream: str
) -> None:
    whole = (STREAMS / f"{stream}.sse").read_bytes()
    _, answer = provider.read_stream(events([whole]), a_call())
    reason = answer.finish_reason or ""
    sent_reason = f'"{provider.fuzz.finish_reasons.get(reason, reason)}"'.encode()
    end = whole.index(b"}\n\n", whole.index(sent_reason)) + len(b"}")
    for cut in range(len(whole)):
        sent = events([whole[:cut]])
        if cut < end:
            with pytest.raises(LlmUnreachable):
                provider.read_stream(sent, a_call())
        else:
            assert provider.read_stream(sent, a_call())[1].content == answer.content


def test_every_recorded_stream_is_cut() -> None:
    assert sorted(stream for provider in PROVIDERS for stream in provider.fuzz.streams) == sorted(
        path.stem for path in STREAMS.glob("*.sse")
    )
