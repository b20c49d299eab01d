"""The Catalog table in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import batched
from typing import Any

from baton.domain.catalog.definitions import (
    Block,
    Definition,
    Ledger,
    LlmInstance,
    Payload,
    Replacement,
    Workflow,
    WorkflowBundle,
)
from baton.domain.catalog.fallbacks import with_fallbacks
from baton.domain.catalog.searches import Search
from baton.domain.errors import Conflict, LedgerConflict, NameTaken, NotFound, VersionChanged
from baton.domain.kinds import KIND_WORDS, Kind, Referrer
from baton.domain.pages import Page

SAVED_AT_ONCE = 3
"""A small number, so that tests reach the state between two transactions."""


class FakeCatalog:
    """A CatalogStore and a DefinitionSource."""

    def __init__(self) -> None:
        self._last_ids: Counter[tuple[str, Kind]] = Counter()
        self._ledgers: dict[str, Ledger] = {}
        self._stored: dict[tuple[str, Kind], dict[int, Any]] = {}

    def reserve_id(self, tenant: str, kind: Kind) -> int:
        self._last_ids[tenant, kind] += 1
        return self._last_ids[tenant, kind]

    def read_ledger(self, tenant: str) -> Ledger:
        return self._ledger(tenant)

    def create(self, tenant: str, definition: Definition, ledger: Ledger) -> None:
        self._check_name(tenant, definition)
        self._count_references(tenant, definition, ledger)
        self._of_kind(tenant, type(definition))[definition.id] = definition

    def replace(self, tenant: str, current: Definition, following: Definition, ledger: Ledger) -> None:
        self._check_unchanged(tenant, current)
        self._check_name(tenant, following)
        self._count_references(tenant, following, ledger)
        self._of_kind(tenant, type(following))[following.id] = following

    def transactions(self, replacements: Sequence[Replacement]) -> Sequence[Sequence[Replacement]]:
        return list(batched(replacements, SAVED_AT_ONCE, strict=False))

    def save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> None:
        before = deepcopy(self._stored)
        try:
            for replacement in replacements:
                if replacement.current is None:
                    self.create(tenant, replacement.new, ledger)
                else:
                    self.replace(tenant, replacement.current, replacement.new, ledger)
        except Conflict:
            self._stored = before
            raise

    def delete(self, tenant: str, current: Definition, ledger: Ledger) -> None:
        self._check_unchanged(tenant, current)
        now = self._ledger(tenant)
        if now.links != ledger.links:
            raise LedgerConflict
        self._ledgers[tenant] = replace(now, deletions=now.deletions + 1)
        del self._of_kind(tenant, type(current))[current.id]

    def referrers(self, tenant: str, definition: Definition) -> Sequence[Referrer]:
        target = (definition.kind, definition.id)
        stored = [
            other for (owner, _), existing in self._stored.items() if owner == tenant for other in existing.values()
        ]
        referring = [other for other in stored if target in other.refers_to]
        return [
            Referrer(kind=other.kind, id=other.id, name=other.name)
            for other in sorted(referring, key=lambda one: one.id)
        ]

    def read[D: Definition](self, tenant: str, kind: type[D], definition_id: int) -> D:
        existing = self._of_kind(tenant, kind)
        if definition_id not in existing:
            raise NotFound(KIND_WORDS[kind.kind], definition_id)
        return existing[definition_id]

    def find[D: Definition](self, tenant: str, kind: type[D], names: Sequence[str]) -> Sequence[D]:
        return [definition for definition in self._of_kind(tenant, kind).values() if definition.name in names]

    def read_many[D: Definition](self, tenant: str, kind: type[D], ids: Sequence[int]) -> Mapping[int, D]:
        existing = self._of_kind(tenant, kind)
        return {id_: existing[id_] for id_ in ids if id_ in existing}

    def names(self, tenant: str, kind: Kind, ids: Sequence[int]) -> Mapping[int, str]:
        existing = self._stored.get((tenant, kind), {})
        return {id_: existing[id_].name for id_ in ids if id_ in existing}

    def page[D: Definition](self, tenant: str, kind: type[D], limit: int, after: int | None, search: Search) -> Page[D]:
        existing = self._of_kind(tenant, kind)
        found = [
            existing[id_]
            for id_ in sorted(existing)
            if (after is None or id_ > after) and search.matches(existing[id_])
        ]
        items = found[:limit]
        return Page(items=items, next_after=items[-1].id if len(found) > limit else None)

    def read_workflow(self, tenant: str, workflow_id: int) -> WorkflowBundle:
        workflow = self.read(tenant, Workflow, workflow_id)
        payloads = self.read_many(tenant, Payload, workflow.payloads)
        block_ids = [id_ for payload in payloads.values() for id_ in payload.block_ids]
        instance_ids = [payload.llm_instance for payload in payloads.values()]
        return WorkflowBundle(
            workflow=workflow,
            payloads=payloads,
            blocks=self.read_many(tenant, Block, block_ids),
            instances=with_fallbacks(
                self.read_many(tenant, LlmInstance, instance_ids).values(),
                partial(self.read_many, tenant, LlmInstance),
            ),
        )

    def _of_kind[D: Definition](self, tenant: str, kind: type[D]) -> dict[int, D]:
        return self._stored.setdefault((tenant, kind.kind), {})

    def _ledger(self, tenant: str) -> Ledger:
        return self._ledgers.get(tenant, Ledger())

    def _check_name(self, tenant: str, definition: Definition) -> None:
        for other in self._of_kind(tenant, type(definition)).values():
            if other.name == definition.name and other.id != definition.id:
                raise NameTaken(KIND_WORDS[definition.kind], definition.name, other.id)

    def _check_unchanged(self, tenant: str, current: Definition) -> None:
        existing = self._of_kind(tenant, type(current)).get(current.id)
        if existing is None or existing.version != current.version:
            raise VersionChanged(KIND_WORDS[current.kind], current.id)

    def _count_references(self, tenant: str, definition: Definition, ledger: Ledger) -> None:
        if not definition.refers_to:
            return
        now = self._ledger(tenant)
        if now.deletions != ledger.deletions:
            raise LedgerConflict
        self._ledgers[tenant] = replace(now, links=now.links + 1)
