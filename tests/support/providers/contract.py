"""What the provider contract suite needs of each provider: its functions in one form, and its cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from baton.adapters.llm.formats.streaming import TextChunks
from baton.adapters.llm.http.server_sent_events import Event
from baton.adapters.llm.http.wire import HttpReply
from baton.domain.errors import LlmError
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting
from tests.support.llm_endpoint import pieces_and_answer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

ANTHROPIC_FINISH_REASONS: list[tuple[object, str | None]] = [
    ("end_turn", "stop"),
    ("stop_sequence", "stop"),
    ("max_tokens", "length"),
    ("model_context_window_exceeded", "length"),
    ("tool_use", "tool_calls"),
    (None, None),
    ([], None),
]
"""Of Anthropic's own API, and of its models on Bedrock."""


def reply(body: object, status: int = 200, **headers: str) -> HttpReply:
    """An HTTP reply with a body of bytes, or of a value as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=raw)


@dataclass(frozen=True, kw_only=True)
class FuzzCases:
    """What generated replies and streams of a provider are made of.

    ``replies`` are odd ones, ``answers`` have any values as parts of their content. ``streams`` are names of recorded
    streams, and ``finish_reasons`` the provider's own words in them, where they differ from Baton's.
    """

    fields: Sequence[str]
    values: Sequence[object]
    added_fields: Sequence[str] = ()
    headers: Sequence[str] = ("retry-after", "retry-after-ms")
    header_values: st.SearchStrategy[str] = field(default_factory=lambda: st.text(max_size=40))
    min_status: int = 100
    replies: Sequence[HttpReply]
    answers: st.SearchStrategy[object]
    events: st.SearchStrategy[object]
    event_fields: Sequence[str] = ()
    event_values: Sequence[object] = ()
    long_event: bytes
    streams: Sequence[str] = ()
    finish_reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProviderCases:
    """One provider. ``read`` accepts a body as the API sends it; a body in a case is the first part of its tuple.

    Fields with a default are for providers that Baton calls over HTTP itself, or that stream server-sent events.
    ``read_reply`` is ``None`` for a provider whose replies are read by boto3.
    """

    name: str
    request: Callable[[LlmCall], Any]
    read: Callable[[Any, LlmCall], LlmAnswer]
    read_reply: Callable[[HttpReply, LlmCall], LlmAnswer] | None = None
    read_events: Callable[[Iterable[Event], LlmCall], TextChunks[LlmAnswer]]
    unsupported_settings: Callable[[LlmSettings], Iterable[UnsupportedSetting]]
    model: str = "small-1"
    settings: dict[str, Any]
    settings_request: dict[str, Any]
    unsupported: Sequence[tuple[dict[str, Any], list[tuple[str, str]]]]
    whole: Any
    whole_answer: LlmAnswer
    texts: Sequence[tuple[Any, str]]
    finish_reasons: Sequence[tuple[Any, str | None]]
    wrong_shapes: Sequence[tuple[Any, str]]
    cached_counts: Sequence[tuple[Any, tuple[int | None, int | None]]] = ()
    url: Callable[[LlmCall], str] = field(default=lambda _call: "")
    urls: Sequence[tuple[str, str]] = ()
    invalid_base_urls: Sequence[str | None] = ()
    reserved_options: Sequence[str] = ()
    complete_stream: Sequence[Event] = ()
    complete_stream_answer: LlmAnswer | None = None
    unfinished_streams: Sequence[Sequence[Event]] = ()
    stream_errors: Sequence[tuple[Sequence[Event], type[LlmError], str]] = ()
    wrong_streams: Sequence[tuple[Sequence[Event], str]] = ()
    streamed_answers: st.SearchStrategy[tuple[list[Event], Any]] = field(default_factory=st.nothing)
    fuzz: FuzzCases

    def read_stream(self, events: Iterable[Event], call: LlmCall) -> tuple[list[str], LlmAnswer]:
        """The pieces of a streamed answer, and the answer."""
        return pieces_and_answer(self.read_events(events, call))


def provider_settings(**more: Any) -> dict[str, Any]:
    """Settings that every provider supports, each with a value that is sent."""
    return {"system": "Be brief.", "temperature": 0, "top_p": 0.0, "max_tokens": 5, "stop": ("END",), **more}
