"""The settings of an LLM call, the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

type ResponseFormat = Literal["text", "json"] | Mapping[str, Any]
"""``"text"``, ``"json"``, or a JSON Schema that the answer must follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The settings of one call. ``None`` means that a setting is omitted; 0 is a value.

    ``stream`` is whether the answer is requested in chunks, which are published to subscribers; ``None`` is the same
    as ``True``. ``options`` are the provider's own settings and are passed on unchanged. ``unset`` names, in
    alphabetical order, the settings that are ``None`` on purpose: an instance's default does not replace them.
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

    def with_defaults(self, defaults: LlmSettings) -> LlmSettings:
        """These settings, with ``defaults`` for omitted ones; ``options`` are merged key by key."""
        options = {**({} if "options" in self.unset else defaults.options), **self.options}
        merged = LlmSettings.from_dict(defaults.to_dict() | self.to_dict())
        return replace(merged, options=options, unset=())

    def to_dict(self) -> dict[str, Any]:
        """The explicit settings as plain JSON values: ``None`` for those that are unset, no key for omitted ones."""
        return {
            name: None if name in self.unset else self._plain(name) for name in SETTING_NAMES if self._is_explicit(name)
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LlmSettings:
        """The inverse of :meth:`to_dict`."""
        present = {name: value for name, value in values.items() if value is not None}
        stop = {"stop": tuple(present["stop"])} if "stop" in present else {}
        return cls(**(present | stop), unset=tuple(sorted(values.keys() - present.keys())))

    def _is_explicit(self, name: str) -> bool:
        value = getattr(self, name)
        return name in self.unset or not (value is None or (name == "options" and not value))

    def _plain(self, name: str) -> Any:
        value = getattr(self, name)
        if isinstance(value, tuple):
            return list(value)
        return dict(value) if isinstance(value, Mapping) else value


SETTING_NAMES = tuple(f.name for f in fields(LlmSettings) if f.name != "unset")
"""Every setting, in the order in which settings are written."""


@dataclass(frozen=True, slots=True)
class UnsupportedSetting:
    """A setting that a provider does not support; ``detail`` is why, to follow the setting's name."""

    setting: str
    detail: str
