"""The caller of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The tenant whose objects a request may read and change, and the scopes of the caller's key.

    ``key_id`` is ``None`` for a request without a key. ``scopes`` are those of docs/design.md, section 10.
    """

    tenant: str
    key_id: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The caller as runs store it: the key id, or the tenant if the request has no key."""
        return self.key_id or self.tenant
