"""Payloads as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field
from pydantic import Tag as Branch

from baton.api.bodies.fields import STORED, Content, Id, Name, Request, Stored, View, own_fields
from baton.api.bodies.settings import SettingFields, Settings
from baton.domain.catalog.definitions import (
    MAX_BLOCKS_PER_PAYLOAD,
    InlineBlock,
    Payload,
    PayloadDraft,
)


class Inline(Request):
    """A block that is part of this payload only."""

    content: Content


class InlineInPayload(Inline):
    """An inline block in the form in which a payload is read: ``id`` and ``title`` are ``null``."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "title", "order_index"})


class BlockInPayload(Request):
    """A block by its id, in the form in which a payload is read."""

    read_only: ClassVar[frozenset[str]] = frozenset({"title", "order_index"})
    id: Id


def _branch(value: Any) -> str:
    """The tag of the type that this value is validated as; also called with models, when they are serialised."""
    if not isinstance(value, Mapping | Request):
        return "<id>"
    fields = value if isinstance(value, Mapping) else value.__dict__
    return "<inline>" if fields.get("id") is None else "<block>"


BlockOfPayload = Annotated[
    Annotated[Id, Branch("<id>")]
    | Annotated[BlockInPayload, Branch("<block>")]
    | Annotated[InlineInPayload, Branch("<inline>")],
    Discriminator(_branch),
]


class PayloadRequest(Settings):
    """A payload to create: its blocks in order, by id or inline; its LLM instance; and its settings."""

    read_only: ClassVar[frozenset[str]] = STORED
    name: Name
    blocks: Annotated[list[BlockOfPayload], Field(min_length=1, max_length=MAX_BLOCKS_PER_PAYLOAD)]
    llm_instance: Id

    def draft(self) -> PayloadDraft:
        """The request as a draft."""
        blocks = tuple(_block(block) for block in self.blocks)
        return PayloadDraft(name=self.name, blocks=blocks, llm_instance=self.llm_instance, settings=self.settings())


def _block(block: int | BlockInPayload | InlineInPayload) -> int | InlineBlock:
    match block:
        case BlockInPayload():
            return block.id
        case InlineInPayload():
            return InlineBlock(content=block.content)
        case _:
            return block


class OrderedBlock(View):
    """A block of a payload, with its index. An inline block has a content, and neither id nor title."""

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


class StoredPayload(Stored):
    """A payload without its settings."""

    name: str
    blocks: list[OrderedBlock]
    llm_instance: int


class PayloadView(SettingFields, StoredPayload):
    """A payload, with its settings as fields. Omitted settings are absent; unset ones are `null`."""

    @classmethod
    def of(cls, payload: Payload, titles: Mapping[int, str]) -> PayloadView:
        """The payload with its blocks' titles."""
        ordered = [OrderedBlock.of(block, index, titles) for index, block in enumerate(payload.blocks)]
        own = own_fields(payload, "name", "llm_instance")
        return cls.model_construct(**own, **payload.settings.to_dict(), blocks=ordered)
