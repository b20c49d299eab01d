"""The settings of an LLM call."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue
from pydantic import Tag as Branch

from baton.api.bodies.definitions import Content
from baton.api.bodies.fields import Name, Request, Whole
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS
from baton.domain.llm.settings import SETTING_NAMES, LlmSettings

Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]
StopText = Annotated[str, Field(min_length=1, max_length=200)]


def _stop_branch(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<list>"


Stop = Annotated[
    Annotated[StopText, Branch("<text>")] | Annotated[list[StopText], Field(max_length=16), Branch("<list>")],
    Discriminator(_stop_branch),
    Field(description="One text is a list of one."),
]


class Settings(Request):
    """The settings of one LLM call. What is left out is the instance's default; `null` is none, not even that."""

    system: Content | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[Whole, Field(ge=1, le=10_000_000)] | None = None
    stop: Stop | None = None
    seed: Annotated[Whole, Field(ge=-(2**63), lt=2**63)] | None = None
    response_format: Literal["text", "json"] | dict[str, JsonValue] | None = Field(
        default=None, description='"text", "json", or a JSON Schema that the answer must follow.'
    )
    model: Name | None = None
    timeout_seconds: Timeout | None = None
    stream: bool | None = Field(
        default=None, description="Whether the answer can be read while it grows; it can, unless this is `false`."
    )
    options: dict[str, JsonValue] | None = Field(default_factory=dict, description="The provider's own settings.")

    def settings(self) -> LlmSettings:
        """As the domain has them."""
        sent = {name: getattr(self, name) for name in SETTING_NAMES if name in self.model_fields_set}
        stop = {"stop": [self.stop]} if isinstance(self.stop, str) else {}
        return LlmSettings.from_dict(sent | stop)
