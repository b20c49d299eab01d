"""The kinds of definitions, and how a definition is named in a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["BLOCK", "PAYLOAD", "WORKFLOW", "LLM_INSTANCE"]

KIND_WORDS: dict[Kind, str] = {
    "BLOCK": "block",
    "PAYLOAD": "payload",
    "WORKFLOW": "workflow",
    "LLM_INSTANCE": "LLM instance",
}
"""The word for each kind in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """A definition that refers to another one."""

    kind: Kind
    id: int
    name: str

    def __str__(self) -> str:
        """As it is named in a message."""
        return f"{KIND_WORDS[self.kind]} {self.id} ({self.name})"
