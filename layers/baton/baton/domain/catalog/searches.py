"""Which definitions a list shows."""

from __future__ import annotations

from dataclasses import dataclass

from baton.domain.catalog.definitions import Block, Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a client looks for; an empty search finds everything.

    ``q`` is looked for in names, and in the contents of blocks, in any case. ``tag`` and ``folder_path`` are about
    blocks; a folder holds what is in the folders below it too.
    """

    q: str | None = None
    tag: str | None = None
    folder_path: str | None = None

    def finds(self, definition: Definition) -> bool:
        """Whether the definition is one of those that are looked for."""
        if isinstance(definition, Block) and not self._finds_block(definition):
            return False
        if self.q is None:
            return True
        texts = (definition.name, definition.content) if isinstance(definition, Block) else (definition.name,)
        return any(self.q.casefold() in text.casefold() for text in texts)

    def _finds_block(self, block: Block) -> bool:
        has_tag = self.tag is None or self.tag in block.tags
        return has_tag and (self.folder_path is None or _is_in(block.folder_path, self.folder_path))


def _is_in(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")
