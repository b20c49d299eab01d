"""The settings of an LLM call, as clients write and read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, JsonValue

from baton.api.bodies.fields import Content, Name, Request, View, Whole
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS
from baton.domain.llm.settings import SETTING_NAMES, LlmSettings

Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]
StopText = Annotated[str, Field(min_length=1, max_length=200)]
StopTexts = Annotated[list[StopText], Field(max_length=16)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Stop = Annotated[
    StopTexts,
    BeforeValidator(_as_list, json_schema_input_type=StopText | StopTexts),
    Field(description="A single text is the same as a list of one text."),
]

_OMITTED: Any = object()
"""The value of a setting that is absent from a body; ``None`` is the value ``null``."""


def _setting(description: str | None = None) -> Any:
    return Field(default_factory=lambda: _OMITTED, exclude_if=lambda value: value is _OMITTED, description=description)


class SettingFields(BaseModel):
    """Every setting of an LLM call. An omitted one is absent; `null` is a value."""

    system: Content | None = _setting()
    temperature: Annotated[float, Field(ge=0, le=2)] | None = _setting()
    top_p: Annotated[float, Field(gt=0, le=1)] | None = _setting()
    max_tokens: Annotated[Whole, Field(ge=1, le=10_000_000)] | None = _setting()
    stop: Stop | None = _setting()
    seed: Annotated[Whole, Field(ge=-(2**63), lt=2**63)] | None = _setting()
    response_format: Literal["text", "json"] | dict[str, JsonValue] | None = _setting(
        '"text", "json", or a JSON Schema that the answer must follow.'
    )
    model: Name | None = _setting()
    timeout_seconds: Timeout | None = _setting()
    stream: bool | None = _setting("Whether the answer is streamed to subscribers; `false` turns streaming off.")
    options: dict[str, JsonValue] | None = _setting("The provider's own settings.")


class Settings(SettingFields, Request):
    """The settings of one LLM call. An omitted setting has the instance's default; an unset one, `null`, has none."""

    def settings(self) -> LlmSettings:
        """The settings as a domain value."""
        return LlmSettings.from_dict({n: getattr(self, n) for n in SETTING_NAMES if n in self.model_fields_set})


class SettingsView(SettingFields, View):
    """The settings of one LLM call. Omitted ones are absent."""

    @classmethod
    def of(cls, settings: LlmSettings) -> Self:
        """The settings as clients read them; what was stored is not validated again."""
        return cls.model_construct(**settings.to_dict())
