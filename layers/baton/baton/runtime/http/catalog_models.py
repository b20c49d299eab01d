"""Blocks, payloads and workflows as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, JsonValue, StringConstraints
from pydantic import Tag as Branch

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
from baton.runtime.http.fields import Answer, Id, Name, PlainText, Request, Whole

SETTING_NAMES = sorted(LlmSettings().values())


def _short_enough(text: str) -> str:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"has {size:,} bytes in UTF-8; at most {MAX_TEXT_BYTES:,} are kept")
    return text


Content = Annotated[str, AfterValidator(_short_enough), Field(json_schema_extra={"maxLength": MAX_TEXT_BYTES})]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]
StopText = Annotated[str, Field(min_length=1, max_length=200)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), PlainText]
FolderPath = Annotated[str, Field(min_length=1, max_length=500), PlainText]

STORED = frozenset({"id", "version", "created_at", "updated_at"})
"""What every stored definition tells of itself, and no request says."""


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
        said = {name: getattr(self, name) for name in SETTING_NAMES}
        unset = tuple(name for name in SETTING_NAMES if name in self.model_fields_set and said[name] is None)
        plain = {"stop": self._stop(), "options": self.options or {}}
        return LlmSettings(**(said | plain), unset=unset)

    def _stop(self) -> tuple[str, ...] | None:
        return (self.stop,) if isinstance(self.stop, str) else None if self.stop is None else tuple(self.stop)


class BlockFields(Request):
    """What is said of a block, by a request or in a file."""

    title: Name
    content: Content
    tags: Annotated[list[Tag], Field(max_length=50)] | None = Field(default_factory=list)
    folder_path: FolderPath | None = "/"

    def draft(self) -> BlockDraft:
        """As the domain has it."""
        tags, folder = tuple(self.tags or ()), self.folder_path or "/"
        return BlockDraft(title=self.title, content=self.content, tags=tags, folder_path=folder)


class BlockRequest(BlockFields):
    """A block to create."""

    read_only: ClassVar[frozenset[str]] = STORED


class Inline(Request):
    """A block that belongs to this payload alone."""

    content: Content


class InlineInPayload(Inline):
    """The same, as a payload is also read: in its place, and with neither id nor title."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "title", "order_index"})


class BlockInPayload(Request):
    """A block by its id, as a payload is also read."""

    read_only: ClassVar[frozenset[str]] = frozenset({"title", "order_index"})
    id: Id


def _branch(value: Any) -> str:
    if not isinstance(value, Mapping | Request):
        return "<id>"
    said = value if isinstance(value, Mapping) else value.__dict__
    return "<inline>" if said.get("id") is None else "<block>"


BlockOfPayload = Annotated[
    Annotated[Id, Branch("<id>")]
    | Annotated[BlockInPayload, Branch("<block>")]
    | Annotated[InlineInPayload, Branch("<inline>")],
    Discriminator(_branch),
]


class PayloadRequest(Settings):
    """A payload to create: its blocks in order, by id or inline; who answers; and the settings beside them."""

    read_only: ClassVar[frozenset[str]] = STORED
    name: Name
    blocks: Annotated[list[BlockOfPayload], Field(min_length=1, max_length=MAX_BLOCKS_PER_PAYLOAD)]
    llm_instance: Id

    def draft(self) -> PayloadDraft:
        """As the domain has it."""
        blocks = tuple(_block(block) for block in self.blocks)
        return PayloadDraft(name=self.name, blocks=blocks, llm_instance=self.llm_instance, settings=self.settings())


def _block(said: int | BlockInPayload | InlineInPayload) -> int | InlineBlock:
    match said:
        case BlockInPayload():
            return said.id
        case InlineInPayload():
            return InlineBlock(content=said.content)
        case _:
            return said


class PayloadInWorkflow(Request):
    """A payload by its id, as a workflow is also read."""

    read_only: ClassVar[frozenset[str]] = frozenset({"name", "order_index"})
    id: Id


def _payload_branch(value: Any) -> str:
    return "<payload>" if isinstance(value, Mapping | PayloadInWorkflow) else "<id>"


PayloadOfWorkflow = Annotated[
    Annotated[Id, Branch("<id>")] | Annotated[PayloadInWorkflow, Branch("<payload>")], Discriminator(_payload_branch)
]


class WorkflowRequest(Request):
    """A workflow to create: its payloads' ids in the order in which they run."""

    read_only: ClassVar[frozenset[str]] = STORED
    name: Name
    payloads: Annotated[list[PayloadOfWorkflow], Field(max_length=MAX_PAYLOADS_PER_WORKFLOW)] | None = Field(
        default_factory=list
    )

    def draft(self) -> WorkflowDraft:
        """As the domain has it."""
        ids = (said.id if isinstance(said, PayloadInWorkflow) else said for said in self.payloads or ())
        return WorkflowDraft(name=self.name, payloads=tuple(ids))


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
