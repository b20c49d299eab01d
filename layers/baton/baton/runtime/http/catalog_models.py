"""Blocks, payloads, workflows and LLM instances as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, SecretStr, StringConstraints, field_validator, model_validator

from baton.domain.api_key_headers import objection_to
from baton.domain.catalog import (
    MAX_BLOCKS_PER_PAYLOAD,
    MAX_PAYLOADS_PER_WORKFLOW,
    Block,
    BlockDraft,
    InlineBlock,
    LlmInstance,
    LlmInstanceDraft,
    Payload,
    PayloadDraft,
    Workflow,
    WorkflowDraft,
)
from baton.domain.llm import MAX_TIMEOUT_SECONDS, LlmLimits, LlmPrice, LlmSettings
from baton.runtime.http.fields import Answer, Id, Name, Request

MAX_CONTENT_CHARACTERS = 60_000
"""Of one block. In UTF-8 that is at most 240 KB, and an item of DynamoDB may have 400 KB."""

UNKNOWN_TO: Mapping[str, tuple[str, ...]] = {
    "bedrock": ("base_url", "api_key", "api_key_header"),
    "simulated": ("api_key_header",),
}
"""Fields of an instance that mean nothing to its provider: Bedrock goes by the function's own role and region."""

Content = Annotated[str, Field(max_length=MAX_CONTENT_CHARACTERS)]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Settings(Request):
    """The settings of one LLM call; what is left out is the instance's default."""

    system: Annotated[str, Field(max_length=MAX_CONTENT_CHARACTERS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    response_format: Literal["text", "json"] | dict[str, JsonValue] | None = Field(
        default=None, description='"text", "json", or a JSON Schema that the answer must follow.'
    )
    model: Name | None = None
    timeout_seconds: Timeout | None = None
    stream: bool | None = Field(
        default=None, description="Whether the answer can be read while it grows; it can, unless this is `false`."
    )
    options: dict[str, JsonValue] = Field(default_factory=dict, description="The provider's own settings.")

    def settings(self) -> LlmSettings:
        """As the domain has them."""
        said = {f.name: getattr(self, f.name) for f in fields(LlmSettings)}
        return LlmSettings(**(said | {"stop": None if self.stop is None else tuple(self.stop)}))


class BlockRequest(Request):
    """A block to create."""

    title: Name
    content: Content
    tags: Annotated[list[Tag], Field(max_length=50, default_factory=list)]
    folder_path: Annotated[str, Field(min_length=1, max_length=500)] = "/"

    def draft(self) -> BlockDraft:
        """As the domain has it."""
        return BlockDraft(title=self.title, content=self.content, tags=tuple(self.tags), folder_path=self.folder_path)


class Inline(Request):
    """A block that belongs to this payload alone."""

    content: Content


class PayloadRequest(Settings):
    """A payload to create: its blocks in order, by id or inline; who answers; and the settings beside them."""

    name: Name
    blocks: Annotated[list[Id | Inline], Field(min_length=1, max_length=MAX_BLOCKS_PER_PAYLOAD)]
    llm_instance: Id

    def draft(self) -> PayloadDraft:
        """As the domain has it."""
        blocks = tuple(InlineBlock(content=b.content) if isinstance(b, Inline) else b for b in self.blocks)
        return PayloadDraft(name=self.name, blocks=blocks, llm_instance=self.llm_instance, settings=self.settings())


class WorkflowRequest(Request):
    """A workflow to create: its payloads' ids in the order in which they run."""

    name: Name
    payloads: Annotated[list[Id], Field(max_length=MAX_PAYLOADS_PER_WORKFLOW, default_factory=list)]

    def draft(self) -> WorkflowDraft:
        """As the domain has it."""
        return WorkflowDraft(name=self.name, payloads=tuple(self.payloads))


class Price(Request):
    """In US dollars for a million tokens."""

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]


class Limits(Request):
    """What all runs together may ask of an instance; what is over it waits for its turn. ``null`` is no limit."""

    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None

    @classmethod
    def of(cls, limits: LlmLimits | None) -> Self | None:
        """The limits as clients read them."""
        return cls(**asdict(limits)) if limits else None

    def limits(self) -> LlmLimits | None:
        """As the domain has them."""
        limits = LlmLimits(**self.model_dump())
        return None if limits == LlmLimits() else limits


class LlmInstanceRequest(Request):
    """An LLM instance to create. ``api_key`` is kept as a secret and never read back."""

    name: Name
    provider: Annotated[str, Field(min_length=1, max_length=50)]
    base_url: Annotated[str, Field(max_length=2000)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=200)]
    defaults: Settings = Settings()
    timeout_seconds: Timeout = 120
    price: Price | None = None
    api_key: Annotated[SecretStr, Field(min_length=1, max_length=4000)] | None = None
    api_key_header: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The header that carries the key, such as `api-key`, where it isn't the provider's usual one. "
        "In `authorization` it stands after the word Bearer.",
    )
    limits: Limits | None = None
    fallback: Id | None = Field(
        default=None, description="The LLM instance to ask when this one refuses, or has failed as often as it may."
    )

    @field_validator("base_url")
    @classmethod
    def _is_a_web_address(cls, value: str | None) -> str | None:
        """Credentials belong into ``api_key``, where they are kept as a secret."""
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("is not an http(s) address without user name and password")
        return value

    @field_validator("api_key_header")
    @classmethod
    def _can_carry_a_key(cls, value: str | None) -> str | None:
        if value is not None and (objection := objection_to(value)):
            raise ValueError(objection)
        return value

    @model_validator(mode="after")
    def _openai_needs_an_address(self) -> Self:
        if self.provider == "openai" and self.base_url is None:
            raise ValueError("provider 'openai' needs a base_url, such as https://api.openai.com/v1")
        return self

    @model_validator(mode="after")
    def _has_only_what_its_provider_knows(self) -> Self:
        for name in UNKNOWN_TO.get(self.provider, ()):
            if getattr(self, name) is not None:
                raise ValueError(f"provider {self.provider!r} has no {name}; leave it out")
        return self

    def draft(self) -> LlmInstanceDraft:
        """As the domain has it, without the key."""
        return LlmInstanceDraft(
            name=self.name,
            provider=self.provider,
            base_url=self.base_url,
            model=self.model,
            defaults=self.defaults.settings(),
            timeout_seconds=self.timeout_seconds,
            price=LlmPrice(prompt=self.price.prompt, completion=self.price.completion) if self.price else None,
            api_key_header=self.api_key_header,
            limits=self.limits.limits() if self.limits else None,
            fallback=self.fallback,
        )

    def secret(self) -> str | None:
        """The key, if one was sent."""
        return self.api_key.get_secret_value() if self.api_key else None


class Stored(Answer):
    """What every stored definition tells of itself."""

    id: int
    version: int
    created_at: str
    updated_at: str


class BlockAnswer(Stored):
    """A block."""

    title: str
    content: str
    tags: list[str]
    folder_path: str

    @classmethod
    def of(cls, block: Block) -> BlockAnswer:
        """The block as clients read it."""
        return cls(**_own(block, "title", "content", "folder_path"), tags=list(block.tags))


class OrderedBlock(Answer):
    """A block in its place in a payload. An inline one has a content, and neither id nor title."""

    id: int | None
    title: str | None
    content: str | None = Field(default=None, exclude_if=lambda content: content is None)
    order_index: int

    @classmethod
    def of(cls, block: int | InlineBlock, index: int, titles: Mapping[int, str]) -> OrderedBlock:
        """The block as clients read it."""
        if isinstance(block, InlineBlock):
            return cls(id=None, title=None, content=block.content, order_index=index)
        return cls(id=block, title=titles.get(block), order_index=index)


class PayloadAnswer(Stored):
    """A payload; its settings stand beside its name, those that were left out are ``null``."""

    name: str
    blocks: list[OrderedBlock]
    llm_instance: int
    system: str | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: list[str] | None
    seed: int | None
    response_format: str | dict[str, Any] | None
    model: str | None
    timeout_seconds: float | None
    stream: bool | None
    options: dict[str, Any]

    @classmethod
    def of(cls, payload: Payload, titles: Mapping[int, str]) -> PayloadAnswer:
        """The payload with its blocks' titles."""
        ordered = [OrderedBlock.of(block, index, titles) for index, block in enumerate(payload.blocks)]
        return cls(**_own(payload, "name", "llm_instance"), **settings_record(payload.settings), blocks=ordered)


class OrderedPayload(Answer):
    """A payload in its place in a workflow."""

    id: int
    name: str | None
    order_index: int


class WorkflowAnswer(Stored):
    """A workflow."""

    name: str
    payloads: list[OrderedPayload]

    @classmethod
    def of(cls, workflow: Workflow, names: Mapping[int, str]) -> WorkflowAnswer:
        """The workflow with its payloads' names."""
        ordered = [
            OrderedPayload(id=id_, name=names.get(id_), order_index=index)
            for index, id_ in enumerate(workflow.payloads)
        ]
        return cls(**_own(workflow, "name"), payloads=ordered)


class LlmInstanceAnswer(Stored):
    """An LLM instance; of its key only whether there is one."""

    name: str
    provider: str
    base_url: str | None
    model: str
    defaults: dict[str, Any]
    timeout_seconds: float
    price: Price | None
    has_api_key: bool
    api_key_header: str | None
    limits: Limits | None
    fallback: int | None

    @classmethod
    def of(cls, instance: LlmInstance) -> LlmInstanceAnswer:
        """The instance as clients read it."""
        names = (
            "name",
            "provider",
            "base_url",
            "model",
            "timeout_seconds",
            "has_api_key",
            "api_key_header",
            "fallback",
        )
        price = instance.price
        return cls(
            **_own(instance, *names),
            defaults=settings_record(instance.defaults),
            limits=Limits.of(instance.limits),
            price=Price(prompt=price.prompt, completion=price.completion) if price else None,
        )


def _own(definition: Block | Payload | Workflow | LlmInstance, *names: str) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in ("id", "version", "created_at", "updated_at", *names)}


def settings_record(settings: LlmSettings) -> dict[str, Any]:
    """Settings as clients read them; those that were left out are ``null``."""
    said = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return said | {"stop": None if settings.stop is None else list(settings.stop), "options": dict(settings.options)}
