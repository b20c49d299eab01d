"""Blocks, payloads and workflows as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from baton.domain.catalog import (
    MAX_BLOCKS_PER_PAYLOAD,
    MAX_PAYLOADS_PER_WORKFLOW,
    MAX_TEXT_BYTES,
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
from baton.domain.workflow_files import said
from baton.runtime.http.fields import Answer, Id, Name, Request

SETTING_NAMES = sorted(LlmSettings().values())


def _short_enough(text: str) -> str:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"has {size:,} bytes in UTF-8; at most {MAX_TEXT_BYTES:,} are kept")
    return text


Content = Annotated[str, AfterValidator(_short_enough), Field(json_schema_extra={"maxLength": MAX_TEXT_BYTES})]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Settings(Request):
    """The settings of one LLM call. What is left out is the instance's default; `null` is none, not even that."""

    system: Content | None = None
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
    options: dict[str, JsonValue] | None = Field(default_factory=dict, description="The provider's own settings.")

    def settings(self) -> LlmSettings:
        """As the domain has them."""
        said = {name: getattr(self, name) for name in SETTING_NAMES}
        unset = tuple(name for name in SETTING_NAMES if name in self.model_fields_set and said[name] is None)
        plain = {"stop": None if self.stop is None else tuple(self.stop), "options": self.options or {}}
        return LlmSettings(**(said | plain), unset=unset)


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


_LEFT_OUT: Any = object()
"""Stands for a setting that isn't said, until the answer is written: there it isn't, while ``null`` is a value."""


def _left_out() -> Any:
    return Field(default_factory=lambda: _LEFT_OUT, exclude_if=lambda value: value is _LEFT_OUT)


class PayloadAnswer(Stored):
    """A payload; its settings stand beside its name. Those that were left out are left out, unset ones are `null`."""

    name: str
    blocks: list[OrderedBlock]
    llm_instance: int
    system: str | None = _left_out()
    temperature: float | None = _left_out()
    top_p: float | None = _left_out()
    max_tokens: int | None = _left_out()
    stop: list[str] | None = _left_out()
    seed: int | None = _left_out()
    response_format: str | dict[str, Any] | None = _left_out()
    model: str | None = _left_out()
    timeout_seconds: float | None = _left_out()
    stream: bool | None = _left_out()
    options: dict[str, Any] | None = _left_out()

    @classmethod
    def of(cls, payload: Payload, titles: Mapping[int, str]) -> PayloadAnswer:
        """The payload with its blocks' titles."""
        ordered = [OrderedBlock.of(block, index, titles) for index, block in enumerate(payload.blocks)]
        return cls(**own_fields(payload, "name", "llm_instance"), **said(payload.settings), blocks=ordered)


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
    """Settings of a call as clients read them; those of which nothing is said are ``null``."""
    every = settings.values()
    return every | {"stop": None if settings.stop is None else list(settings.stop), "options": dict(settings.options)}
