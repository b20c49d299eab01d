"""The definitions of a tenant: blocks, payloads, workflows and LLM instances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from baton.domain.errors import Invalid
from baton.domain.kinds import Kind
from baton.domain.llm.endpoints import LlmEndpoint, LlmLimits, LlmPrice
from baton.domain.llm.settings import LlmSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

REFERRERS: dict[Kind, tuple[Kind, ...]] = {
    "BLOCK": ("PAYLOAD",),
    "LLM_INSTANCE": ("PAYLOAD", "LLM_INSTANCE"),
    "PAYLOAD": ("WORKFLOW",),
    "WORKFLOW": (),
}
"""Which kinds may refer to a definition of each kind."""

type Target = tuple[Kind, int]
"""A definition that another one refers to."""

MAX_PAYLOADS_PER_WORKFLOW = 200
MAX_BLOCKS_PER_PAYLOAD = 100
MAX_REFERENCES_PER_PAYLOAD = 100
MAX_TEXT_BYTES = 300_000
"""The maximum size of the content of a block, and of a system text."""

MAX_TEMPLATE_BYTES = 1_000_000
MAX_RECORD_BYTES = 1_500_000
"""The maximum size of a definition as JSON: a payload's inline blocks, a system text, and its other fields."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The fields that every stored definition has; times are ISO 8601 UTC."""

    id: int
    version: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Two counters of a tenant: writes that add references, and deletions.

    A write that adds references fails if a deletion was counted since the references were checked, and a deletion
    fails if such a write was. So no definition that others refer to is deleted, even by concurrent requests.
    """

    links: int = 0
    deletions: int = 0


@dataclass(frozen=True, kw_only=True)
class BlockDraft:
    """A reusable piece of prompt text, before the catalog adds an id and a version. Its title is its name."""

    kind: ClassVar[Kind] = "BLOCK"

    title: str
    content: str
    tags: tuple[str, ...] = ()
    folder_path: str = "/"

    @property
    def name(self) -> str:
        """The title, so that every kind has a ``name``."""
        return self.title

    @property
    def refers_to(self) -> frozenset[Target]:
        """Nothing."""
        return frozenset()


@dataclass(frozen=True, kw_only=True)
class InlineBlock:
    """A piece of prompt text that belongs to one payload alone."""

    content: str


@dataclass(frozen=True, kw_only=True)
class PayloadDraft:
    """One LLM call: its blocks in order, stored ones by id; its LLM instance; and its settings."""

    kind: ClassVar[Kind] = "PAYLOAD"

    name: str
    blocks: tuple[int | InlineBlock, ...]
    llm_instance: int
    settings: LlmSettings = field(default_factory=LlmSettings)

    @property
    def block_ids(self) -> tuple[int, ...]:
        """The ids of its stored blocks, each once."""
        return tuple(dict.fromkeys(block for block in self.blocks if isinstance(block, int)))

    @property
    def refers_to(self) -> frozenset[Target]:
        """Its stored blocks and its LLM instance."""
        blocks: set[Target] = {("BLOCK", id_) for id_ in self.block_ids}
        return frozenset(blocks | {("LLM_INSTANCE", self.llm_instance)})


@dataclass(frozen=True, kw_only=True)
class WorkflowDraft:
    """Payloads in the order in which they run; one may occur twice."""

    kind: ClassVar[Kind] = "WORKFLOW"

    name: str
    payloads: tuple[int, ...]

    @property
    def refers_to(self) -> frozenset[Target]:
        """Its payloads."""
        return frozenset(("PAYLOAD", id_) for id_ in self.payloads)


@dataclass(frozen=True, kw_only=True)
class LlmInstanceDraft:
    """A model endpoint. The API key is stored elsewhere; ``has_api_key`` is whether there is one.

    ``api_key_version`` is the version of the record in which the key was last set or removed; only the writer of that
    version writes the secret. ``fallback`` is the instance that is called after this one's final failure.
    """

    kind: ClassVar[Kind] = "LLM_INSTANCE"

    name: str
    provider: str
    model: str
    base_url: str | None = None
    defaults: LlmSettings = field(default_factory=LlmSettings)
    timeout_seconds: float = 120
    price: LlmPrice | None = None
    has_api_key: bool = False
    api_key_version: int = 0
    api_key_header: str | None = None
    limits: LlmLimits | None = None
    fallback: int | None = None

    @property
    def refers_to(self) -> frozenset[Target]:
        """Its fallback, if it has one."""
        return frozenset() if self.fallback is None else frozenset({("LLM_INSTANCE", self.fallback)})


@dataclass(frozen=True, kw_only=True)
class Block(BlockDraft, Record):
    """A stored block."""


@dataclass(frozen=True, kw_only=True)
class Payload(PayloadDraft, Record):
    """A stored payload."""


@dataclass(frozen=True, kw_only=True)
class Workflow(WorkflowDraft, Record):
    """A stored workflow."""


@dataclass(frozen=True, kw_only=True)
class LlmInstance(LlmInstanceDraft, Record):
    """A stored LLM instance."""

    def endpoint(self) -> LlmEndpoint:
        """The endpoint of calls to this instance."""
        return LlmEndpoint(
            instance_id=self.id,
            instance_name=self.name,
            provider=self.provider,
            base_url=self.base_url,
            model=self.model,
            timeout_seconds=self.timeout_seconds,
            has_api_key=self.has_api_key,
            api_key_header=self.api_key_header,
            limits=self.limits,
            price=self.price,
        )


Draft = BlockDraft | PayloadDraft | WorkflowDraft | LlmInstanceDraft
Definition = Block | Payload | Workflow | LlmInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The new version of a definition, and the ``current`` one that it replaces; ``None`` if there is none."""

    current: Definition | None
    new: Definition


def record_bytes(record: DataclassInstance) -> int:
    """The approximate size of the stored record."""
    return len(json.dumps(asdict(record), ensure_ascii=False).encode())


def check_size(draft: Draft) -> None:
    """:raises Invalid: if the definition is too large to be stored."""
    size = record_bytes(draft)
    if size > MAX_RECORD_BYTES:
        raise Invalid("body", f"has {size:,} bytes as a definition; at most {MAX_RECORD_BYTES:,} can be stored.")


def new_definition[D: Definition](kind: type[D], draft: Draft, definition_id: int, now: str) -> D:
    """The draft as a new definition."""
    return kind(**draft_fields(draft), id=definition_id, version=1, created_at=now, updated_at=now)


def new_version[D: Definition](current: D, draft: Draft, now: str) -> D:
    """The draft as the next version of a definition."""
    return type(current)(
        **draft_fields(draft), id=current.id, version=current.version + 1, created_at=current.created_at, updated_at=now
    )


def draft_fields(draft: Draft) -> dict[str, Any]:
    """The fields of the draft, by name; for a stored definition, those that its draft has."""
    names = {f.name for f in fields(draft)} - {f.name for f in fields(Record)}
    return {name: getattr(draft, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowBundle:
    """A workflow with everything that it refers to, by id."""

    workflow: Workflow
    payloads: Mapping[int, Payload]
    blocks: Mapping[int, Block]
    instances: Mapping[int, LlmInstance]
