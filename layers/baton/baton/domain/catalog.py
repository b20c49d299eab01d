"""The definitions that a team keeps: blocks, payloads, workflows and LLM instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from baton.domain.llm import LlmEndpoint, LlmPrice, LlmSettings

Kind = Literal["BLOCK", "PAYLOAD", "WORKFLOW", "LLM_INSTANCE"]

KIND_WORDS: dict[Kind, str] = {
    "BLOCK": "block",
    "PAYLOAD": "payload",
    "WORKFLOW": "workflow",
    "LLM_INSTANCE": "LLM instance",
}
"""What each kind is called in a sentence."""

MAX_PAYLOADS_PER_WORKFLOW = 200
MAX_BLOCKS_PER_PAYLOAD = 100
MAX_TEMPLATE_BYTES = 300_000
"""A compiled payload is one DynamoDB item (400 KB at most), so its text has a bound below that."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What every stored definition carries; times are ISO 8601 UTC."""

    id: int
    version: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True)
class BlockDraft:
    """A reusable piece of prompt text, as a client writes it. Its title is its name."""

    kind: ClassVar[Kind] = "BLOCK"

    title: str
    content: str
    tags: tuple[str, ...] = ()
    folder_path: str = "/"

    @property
    def name(self) -> str:
        """What the block is called where every kind has a name."""
        return self.title


@dataclass(frozen=True, kw_only=True)
class PayloadDraft:
    """One LLM call: blocks in order, the instance that answers, and the settings."""

    kind: ClassVar[Kind] = "PAYLOAD"

    name: str
    blocks: tuple[int, ...]
    llm_instance: int
    settings: LlmSettings = field(default_factory=LlmSettings)


@dataclass(frozen=True, kw_only=True)
class WorkflowDraft:
    """Payloads in the order in which they run; one may occur twice."""

    kind: ClassVar[Kind] = "WORKFLOW"

    name: str
    payloads: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LlmInstanceDraft:
    """A model endpoint. The secret that opens it is kept elsewhere; here is only whether there is one."""

    kind: ClassVar[Kind] = "LLM_INSTANCE"

    name: str
    provider: str
    model: str
    base_url: str | None = None
    defaults: LlmSettings = field(default_factory=LlmSettings)
    timeout_seconds: float = 120
    price: LlmPrice | None = None
    has_api_key: bool = False


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
        """Where calls through this instance go."""
        return LlmEndpoint(
            instance_id=self.id,
            instance_name=self.name,
            provider=self.provider,
            base_url=self.base_url,
            model=self.model,
            timeout_seconds=self.timeout_seconds,
            has_api_key=self.has_api_key,
        )


Draft = BlockDraft | PayloadDraft | WorkflowDraft | LlmInstanceDraft
Definition = Block | Payload | Workflow | LlmInstance
