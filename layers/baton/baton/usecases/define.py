"""Create or replace a block, payload, workflow or LLM instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from baton.domain.catalog import (
    KIND_WORDS,
    Block,
    Definition,
    Draft,
    LlmInstance,
    LlmInstanceDraft,
    Payload,
    PayloadDraft,
    WorkflowDraft,
)
from baton.domain.errors import Invalid, NameTaken
from baton.domain.times import timestamp
from baton.usecases.ports import CatalogStore, Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Define:
    """What defining needs; ``providers`` are the names that an LLM instance may choose from."""

    catalog: CatalogStore
    secrets: Secrets
    providers: frozenset[str]

    def create[D: Definition](self, tenant: str, kind: type[D], draft: Draft, now: datetime) -> D:
        """The stored definition, with its id.

        :raises Invalid: if it refers to what isn't there.
        :raises NameTaken: if another definition of the kind has the name.
        """
        self._check(tenant, draft)
        definition_id = self.catalog.reserve_id(tenant, draft.kind)
        return self.catalog.create(tenant, kind, draft, definition_id, timestamp(now))

    def replace[D: Definition](self, tenant: str, kind: type[D], definition_id: int, draft: Draft, now: datetime) -> D:
        """The stored definition, in its next version.

        :raises NotFound: if it isn't there.
        :raises Invalid: if it refers to what isn't there.
        :raises NameTaken: if another definition of the kind has the name.
        :raises VersionChanged: if somebody else changes it at the same moment.
        """
        self._check(tenant, draft)
        current = self.catalog.read(tenant, kind, definition_id)
        return self.catalog.replace(tenant, kind, current, draft, timestamp(now))

    def create_llm_instance(
        self, tenant: str, draft: LlmInstanceDraft, api_key: str | None, now: datetime
    ) -> LlmInstance:
        """As :meth:`create`. The key goes elsewhere, and is kept before anything can need it."""
        if api_key is None:
            return self.create(tenant, LlmInstance, draft, now)
        self._check(tenant, draft)
        definition_id = self.catalog.reserve_id(tenant, draft.kind)
        self.secrets.write_api_key(tenant, definition_id, api_key)
        try:
            keyed = replace(draft, has_api_key=True)
            return self.catalog.create(tenant, LlmInstance, keyed, definition_id, timestamp(now))
        except NameTaken:
            self.secrets.delete_api_key(tenant, definition_id)
            raise

    def replace_llm_instance(
        self, tenant: str, instance_id: int, draft: LlmInstanceDraft, api_key: str | None, now: datetime
    ) -> LlmInstance:
        """As :meth:`replace`. Without a key the present one stays."""
        self._check(tenant, draft)
        current = self.catalog.read(tenant, LlmInstance, instance_id)
        keyed = replace(draft, has_api_key=current.has_api_key or api_key is not None)
        following = self.catalog.replace(tenant, LlmInstance, current, keyed, timestamp(now))
        if api_key is not None:
            self.secrets.write_api_key(tenant, instance_id, api_key)
        return following

    def _check(self, tenant: str, draft: Draft) -> None:
        match draft:
            case PayloadDraft():
                self._are_there(tenant, "blocks", Block, draft.blocks)
                self._are_there(tenant, "llm_instance", LlmInstance, [draft.llm_instance])
            case WorkflowDraft():
                self._are_there(tenant, "payloads", Payload, draft.payloads)
            case LlmInstanceDraft() if draft.provider not in self.providers:
                raise Invalid("provider", f"{draft.provider!r} is none of {', '.join(sorted(self.providers))}.")

    def _are_there(self, tenant: str, field: str, kind: type[Definition], ids: Sequence[int]) -> None:
        found = self.catalog.read_many(tenant, kind, ids)
        missing = [str(id_) for id_ in dict.fromkeys(ids) if id_ not in found]
        if missing:
            raise Invalid(field, f"there is no {KIND_WORDS[kind.kind]} {', '.join(missing)}.")
