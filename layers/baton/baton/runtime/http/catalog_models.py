"""Blocks, payloads and workflows as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints

from baton.domain.catalog import (
    MAX_BLOCKS_PER_PAYLOAD,
    MAX_PAYLOADS_PER_WORKFLOW,
    Block,
    BlockDraft,
    InlineBlock,
    LlmInstance,
    Payload,
    PayloadDraft,
    Workflow,
    WorkflowDraft,
)
from baton.domain.llm import MAX_TIMEOUT_SECONDS, LlmSettings
from baton.runtime.http.fields import Answer, Id, Name, PlainText, Request

MAX_CONTENT_CHARACTERS = 60_000
"""Of one block. In UTF-8 that is at most 240 KB, and an item of DynamoDB may have 400 KB."""

Content = Annotated[str, Field(max_length=MAX_CONTENT_CHARACTERS)]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), PlainText]
FolderPath = Annotated[str, Field(min_length=1, max_length=500), PlainText]


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
    folder_path: FolderPath = "/"

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
        return cls(**own_fields(block, "title", "content", "folder_path"), tags=list(block.tags))


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
        return cls(**own_fields(payload, "name", "llm_instance"), **settings_record(payload.settings), blocks=ordered)


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
        return cls(**own_fields(workflow, "name"), payloads=ordered)


def own_fields(definition: Block | Payload | Workflow | LlmInstance, *names: str) -> dict[str, Any]:
    """What every definition tells of itself, and these fields of it."""
    return {name: getattr(definition, name) for name in ("id", "version", "created_at", "updated_at", *names)}


def settings_record(settings: LlmSettings) -> dict[str, Any]:
    """Settings as clients read them; those that were left out are ``null``."""
    said = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return said | {"stop": None if settings.stop is None else list(settings.stop), "options": dict(settings.options)}
