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
    Field(description="One text is a list of one."),
]

_LEFT_OPEN: Any = object()
"""The value of a setting that was not sent, or is not to be sent; ``None`` is the value ``null``."""


def _setting(description: str | None = None) -> Any:
    return Field(
        default_factory=lambda: _LEFT_OPEN, exclude_if=lambda value: value is _LEFT_OPEN, description=description
    )


class SettingFields(BaseModel):
    """Every setting of an LLM call. One that is left open is absent; `null` is a value."""

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
    stream: bool | None = _setting("Whether the answer can be read while it grows; it can, unless this is `false`.")
    options: dict[str, JsonValue] | None = _setting("The provider's own settings.")


class Settings(SettingFields, Request):
    """The settings of one LLM call. What is left out is the instance's default; `null` is none, not even that."""

    def settings(self) -> LlmSettings:
        """As the domain has them."""
        return LlmSettings.from_dict({n: getattr(self, n) for n in SETTING_NAMES if n in self.model_fields_set})


class SettingsView(SettingFields, View):
    """The settings of one LLM call. Those that are left open are absent."""

    @classmethod
    def of(cls, settings: LlmSettings) -> Self:
        """The settings as clients read them; what was stored is not validated again."""
        return cls.model_construct(**settings.to_dict())
