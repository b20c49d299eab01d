"""Blocks as clients write and read them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from baton.api.bodies.fields import STORED, Content, Name, PlainText, Request, Stored, own_fields
from baton.domain.catalog.definitions import (
    Block,
    BlockDraft,
)

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), PlainText]
FolderPath = Annotated[str, Field(min_length=1, max_length=500), PlainText]


class BlockFields(Request):
    """The fields of a block in a request or a file."""

    title: Name
    content: Content
    tags: Annotated[list[Tag], Field(max_length=50)] | None = Field(default_factory=list)
    folder_path: FolderPath | None = "/"

    def draft(self) -> BlockDraft:
        """The request as a draft."""
        tags, folder = tuple(self.tags or ()), self.folder_path or "/"
        return BlockDraft(title=self.title, content=self.content, tags=tags, folder_path=folder)


class BlockRequest(BlockFields):
    """A block to create."""

    read_only: ClassVar[frozenset[str]] = STORED


class BlockView(Stored):
    """A block."""

    title: str
    content: str
    tags: list[str]
    folder_path: str

    @classmethod
    def of(cls, block: Block) -> BlockView:
        """The block as clients read it."""
        return cls(**own_fields(block, "title", "content", "folder_path"), tags=list(block.tags))
