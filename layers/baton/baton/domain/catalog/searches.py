"""Filters for lists of definitions."""

from __future__ import annotations

from dataclasses import dataclass

from baton.domain.catalog.definitions import Block, Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The filters of a list; without any, every definition matches.

    ``q`` matches names, and the contents of blocks, ignoring case. ``tag`` and ``folder_path`` filter blocks; a folder
    includes the folders below it.
    """

    q: str | None = None
    tag: str | None = None
    folder_path: str | None = None

    @property
    def has_no_filter(self) -> bool:
        """Whether every definition matches."""
        return self == Search()

    def matches(self, definition: Definition) -> bool:
        """Whether the definition matches every filter."""
        if isinstance(definition, Block) and not self._matches_block(definition):
            return False
        if self.q is None:
            return True
        texts = (definition.name, definition.content) if isinstance(definition, Block) else (definition.name,)
        return any(self.q.casefold() in text.casefold() for text in texts)

    def _matches_block(self, block: Block) -> bool:
        has_tag = self.tag is None or self.tag in block.tags
        return has_tag and (self.folder_path is None or _is_in(block.folder_path, self.folder_path))


def _is_in(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")
