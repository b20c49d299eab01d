"""The limits of LLM instances in memory."""

from __future__ import annotations

from dataclasses import replace

from baton.domain.errors import LimitsConflict
from baton.domain.llm.limits import LimitState


class FakeLimits:
    """A LimitStore. ``reads`` counts the calls of :meth:`read`."""

    def __init__(self) -> None:
        self.reads = 0
        self._states: dict[tuple[str, int], LimitState] = {}
        self._claims: set[tuple[str, int, int]] = set()

    def read(self, tenant: str, instance_id: int) -> LimitState:
        self.reads += 1
        return self._states.get((tenant, instance_id), LimitState())

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:  # noqa: ARG002 - nothing expires
        if self.read(tenant, instance_id).version != state.version:
            raise LimitsConflict
        self._states[tenant, instance_id] = replace(state, version=state.version + 1)

    def claim_slot(self, tenant: str, instance_id: int, slot: int, expires_at: int) -> bool:  # noqa: ARG002 - nothing expires
        claim = (tenant, instance_id, slot)
        first = claim not in self._claims
        self._claims.add(claim)
        return first
