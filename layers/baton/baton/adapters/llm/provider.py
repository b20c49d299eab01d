"""What a provider declares about itself.

Each folder in ``providers/`` builds one ``PROVIDER`` in its ``__init__``; ``registry`` lists them. No other code knows
a provider by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from baton.adapters.llm.http.http_transport import HttpTransport
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

type Complete = Callable[[LlmCall, AnswerListener | None, HttpTransport], LlmAnswer]
type Check = Callable[[LlmCall, HttpTransport], Sequence[str] | None]


def supports_all_settings(_settings: LlmSettings) -> Iterable[UnsupportedSetting]:
    """For a provider that supports every setting."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider of LLMs.

    ``complete`` calls the LLM. With a listener it streams the answer, and what the listener raises passes through;
    with ``streams=False`` it gets no listener, and the listener receives the whole answer at once afterwards.
    ``complete`` and ``check`` raise only ``LlmError``. ``unsupported_settings`` works without a call. ``check`` returns
    the models that the endpoint lists, ``None`` where it has no list; without a ``check``, a short question is sent
    through ``complete`` instead.

    ``base_url`` is the default for instances that have none. With ``needs_base_url`` each instance must have its own,
    such as ``base_url_example``. The ``accepts_…`` fields are whether an instance may have the field.
    """

    complete: Complete
    unsupported_settings: Callable[[LlmSettings], Iterable[UnsupportedSetting]] = supports_all_settings
    check: Check | None = None
    base_url: str | None = None
    needs_base_url: bool = False
    base_url_example: str = ""
    accepts_base_url: bool = True
    accepts_api_key: bool = True
    accepts_api_key_header: bool = True
    streams: bool = True

    def fields_error(self, name: str, fields: Collection[str]) -> str | None:
        """Why an instance of this provider, registered as ``name``, can't have exactly these optional ``fields``."""
        if self.needs_base_url and "base_url" not in fields:
            example = f", such as {self.base_url_example}" if self.base_url_example else ""
            return f"provider {name!r} needs a base_url{example}"
        unknown = next((field for field in self._unsupported_fields() if field in fields), None)
        return None if unknown is None else f"provider {name!r} does not support {unknown}; remove it"

    def _unsupported_fields(self) -> Iterator[str]:
        if not self.accepts_base_url:
            yield "base_url"
        if not self.accepts_api_key:
            yield "api_key"
        if not self.accepts_api_key_header:
            yield "api_key_header"
