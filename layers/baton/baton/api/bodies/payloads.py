"""Payloads as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field
from pydantic import Tag as Branch

from baton.api.bodies.definitions import STORED, Content, Stored, own_fields
from baton.api.bodies.fields import Id, Name, Request, View
from baton.api.bodies.settings import Settings
from baton.domain.catalog.definitions import (
    MAX_BLOCKS_PER_PAYLOAD,
    InlineBlock,
    Payload,
    PayloadDraft,
)


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


class OrderedBlock(View):
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


class PayloadView(Stored):
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
    def of(cls, payload: Payload, titles: Mapping[int, str]) -> PayloadView:
        """The payload with its blocks' titles."""
        ordered = [OrderedBlock.of(block, index, titles) for index, block in enumerate(payload.blocks)]
        return cls(**own_fields(payload, "name", "llm_instance"), **payload.settings.to_dict(), blocks=ordered)
