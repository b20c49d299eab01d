"""The settings of an LLM call, in the same words for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

type ResponseFormat = Literal["text", "json"] | Mapping[str, Any]
"""``"text"``, ``"json"``, or a JSON Schema that the answer must follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The settings of one call. ``None`` means: not said here; 0 is a value.

    ``stream`` is whether the answer is asked for piece by piece, so that it can be read while it grows; it is, unless
    this says no. ``options`` are the provider's own settings, handed on as they are. ``unset`` names the settings, in
    order, for which nothing is said on purpose: an instance's default doesn't take their place.
    """

    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    model: str | None = None
    timeout_seconds: float | None = None
    stream: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()

    def over(self, defaults: LlmSettings) -> LlmSettings:
        """These settings, with ``defaults`` for whatever they leave open and don't unset."""
        said = {name: value for name, value in self.values().items() if value is not None}
        options = {**({} if "options" in self.unset else defaults.options), **self.options}
        return replace(defaults, **(dict.fromkeys(self.unset) | said | {"options": options}), unset=())

    def values(self) -> dict[str, Any]:
        """Every setting by its name, also those of which nothing is said."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "unset"}

    def said(self) -> dict[str, Any]:
        """The settings of which something is said, ``None`` for those that are unset."""
        return {
            name: None if name in self.unset else value
            for name, value in self.values().items()
            if name in self.unset or (value is not None and (name != "options" or value))
        }


@dataclass(frozen=True, slots=True)
class UnsupportedSetting:
    """A setting that a provider does not support; ``detail`` is why, to follow the setting's name."""

    setting: str
    detail: str
