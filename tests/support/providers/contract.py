"""What the provider contract suite needs of each provider: its functions in one form, and its cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import Event
from baton.domain.errors import LlmError
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

type ReadStream = Callable[[Iterable[Event], LlmCall], tuple[list[str], LlmAnswer]]


@dataclass(frozen=True, kw_only=True)
class ProviderCases:
    """One provider. ``read`` accepts a body as the API sends it; a body in a case is the first part of its tuple.

    Fields with a default are for providers that Baton calls over HTTP itself, or that stream server-sent events.
    """

    name: str
    request: Callable[[LlmCall], Any]
    read: Callable[[Any, LlmCall], LlmAnswer]
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
    read_stream: ReadStream | None = None
    complete_stream: Sequence[Event] = ()
    complete_stream_answer: LlmAnswer | None = None
    unfinished_streams: Sequence[Sequence[Event]] = ()
    stream_errors: Sequence[tuple[Sequence[Event], type[LlmError], str]] = ()
    wrong_streams: Sequence[tuple[Sequence[Event], str]] = ()
    streamed_answers: st.SearchStrategy[tuple[list[Event], Any]] = field(default_factory=st.nothing)
