"""Create, replace or delete a definition; ``define_llm_instances`` adds the API keys of LLM instances."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from baton.domain.catalog.definitions import (
    Definition,
    Draft,
    Ledger,
    LlmInstance,
    LlmInstanceDraft,
    PayloadDraft,
    WorkflowDraft,
    check_size,
    new_definition,
    new_version,
)
from baton.domain.catalog.fallbacks import chain, check_fallbacks, targets, with_fallbacks
from baton.domain.errors import InUse, Invalid, LedgerConflict, VersionChanged
from baton.domain.kinds import KIND_WORDS, Kind
from baton.domain.llm.hosts import HostPolicy
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting
from baton.domain.times import timestamp
from baton.usecases.catalog.ports import CatalogStore
from baton.usecases.llm.ports import UnsupportedSettings

MAX_TRIES = 10
"""How often a change is tried while other writes happen between its checks and its own write."""

type Versions = frozenset[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Which definition to change, and the time of the change.

    ``versions`` are the versions that the client expects; ``None`` accepts any, so that the last writer wins.
    """

    tenant: str
    definition_id: int
    now: datetime
    versions: Versions = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Define:
    """Create, replace and delete definitions; ``providers`` and ``host_policy`` restrict LLM instances."""

    catalog: CatalogStore
    providers: frozenset[str]
    unsupported_settings: UnsupportedSettings
    host_policy: HostPolicy

    def create[D: Definition](self, tenant: str, kind: type[D], draft: Draft, now: datetime) -> D:
        """The stored definition, with its id.

        :raises Invalid: if it refers to a definition that does not exist.
        :raises NameTaken: if another definition of the kind has the name.
        """
        definition_id = self.catalog.reserve_id(tenant, draft.kind)
        return self.store_new(tenant, new_definition(kind, draft, definition_id, timestamp(now)))

    def replace[D: Definition](
        self, edit: Edit, kind: type[D], draft: Draft, complete: Callable[[D], Draft] | None = None
    ) -> D:
        """The stored definition, in its next version.

        ``complete`` returns the draft to store, where this depends on the definition that is replaced.

        :raises NotFound: if it does not exist.
        :raises Invalid: if it refers to a definition that does not exist.
        :raises NameTaken: if another definition of the kind has the name.
        :raises VersionChanged: if it has none of the expected versions.
        """

        def attempt() -> D:
            ledger = self.catalog.read_ledger(edit.tenant)
            self._check(edit.tenant, draft, edit.definition_id)
            current = self._expected(edit, kind)
            completed = complete(current) if complete else draft
            new = new_version(current, completed, timestamp(edit.now))
            self.catalog.replace(edit.tenant, current, new, ledger)
            return new

        return retry_on_conflict(attempt, edit.versions)

    def delete(self, edit: Edit, kind: type[Definition]) -> None:
        """Remove a definition that no other refers to. Its id is never used again.

        :raises NotFound: if it does not exist.
        :raises InUse: if other definitions refer to it.
        :raises VersionChanged: if it has none of the expected versions.
        """

        def attempt() -> None:
            ledger = self.catalog.read_ledger(edit.tenant)
            current = self._expected(edit, kind)
            if referrers := self.catalog.referrers(edit.tenant, current):
                raise InUse(referrers)
            self.catalog.delete(edit.tenant, current, ledger)

        retry_on_conflict(attempt, edit.versions)

    def store_new[D: Definition](self, tenant: str, definition: D) -> D:
        """As :meth:`create`, with an id that was reserved before."""

        def attempt() -> D:
            ledger = self.catalog.read_ledger(tenant) if definition.refers_to else Ledger()
            self._check(tenant, definition, definition.id)
            self.catalog.create(tenant, definition, ledger)
            return definition

        return retry_on_conflict(attempt)

    def _expected[D: Definition](self, edit: Edit, kind: type[D]) -> D:
        current = self.catalog.read(edit.tenant, kind, edit.definition_id)
        if edit.versions is not None and current.version not in edit.versions:
            raise VersionChanged(KIND_WORDS[kind.kind], edit.definition_id)
        return current

    def _check(self, tenant: str, draft: Draft, definition_id: int | None) -> None:
        check_size(draft)
        match draft:
            case PayloadDraft():
                self._require_names(tenant, "blocks", "BLOCK", draft.block_ids)
                found = self._require_instance(tenant, "llm_instance", draft.llm_instance)
                instances = with_fallbacks(found.values(), partial(self.catalog.read_many, tenant, LlmInstance))
                instance = found[draft.llm_instance]
                for unsupported in unsupported_by(self.unsupported_settings, draft.settings, instance, instances):
                    raise Invalid(unsupported.setting, f"{unsupported.detail}.")
            case WorkflowDraft():
                self._require_names(tenant, "payloads", "PAYLOAD", draft.payloads)
            case LlmInstanceDraft():
                self._check_instance(tenant, draft, definition_id)

    def _check_instance(self, tenant: str, draft: LlmInstanceDraft, definition_id: int | None) -> None:
        """The payloads of a replaced instance are not checked again: their runs fail on settings that it lacks."""
        if draft.provider not in self.providers:
            raise Invalid("provider", f"{draft.provider!r} is none of {', '.join(sorted(self.providers))}.")
        for unsupported in self.unsupported_settings(draft.provider, draft.defaults):
            raise Invalid(f"defaults.{unsupported.setting}", f"{unsupported.detail}.")
        if draft.base_url is not None and (error := self.host_policy.url_error(draft.base_url)):
            raise Invalid("base_url", f"its host can't be called: {error}.")
        if draft.fallback is not None:
            found = self._require_instance(tenant, "fallback", draft.fallback)
            instances = with_fallbacks(found.values(), partial(self.catalog.read_many, tenant, LlmInstance))
            check_fallbacks(definition_id, draft, instances)

    def _require_names(self, tenant: str, field: str, kind: Kind, ids: Sequence[int]) -> None:
        """Reads names only: the definitions themselves may be large."""
        _require_existing(field, kind, ids, self.catalog.names(tenant, kind, ids))

    def _require_instance(self, tenant: str, field: str, instance_id: int) -> Mapping[int, LlmInstance]:
        found = self.catalog.read_many(tenant, LlmInstance, [instance_id])
        _require_existing(field, "LLM_INSTANCE", [instance_id], found)
        return found


def _require_existing(field: str, kind: Kind, ids: Sequence[int], found: Container[int]) -> None:
    missing = [str(id_) for id_ in dict.fromkeys(ids) if id_ not in found]
    if missing:
        raise Invalid(field, f"there is no {KIND_WORDS[kind]} {', '.join(missing)}.")


def unsupported_by(
    unsupported_settings: UnsupportedSettings,
    settings: LlmSettings,
    instance: LlmInstance,
    instances: Mapping[int, LlmInstance],
) -> Iterator[UnsupportedSetting]:
    """The settings of a payload that its instance, or one of the fallbacks, does not support."""
    for target in targets(settings, chain(instance, instances)):
        endpoint = target.endpoint
        for unsupported in unsupported_settings(endpoint.provider, target.settings):
            prefix = "" if endpoint.instance_id == instance.id else f"of the fallback {endpoint.instance_name!r}: "
            yield UnsupportedSetting(unsupported.setting, f"{prefix}{unsupported.detail}")


def retry_on_conflict[T](attempt: Callable[[], T], versions: Versions = None) -> T:
    """Repeat the attempt while other writers interfere; a change that expects versions fails on any other version."""
    for _ in range(MAX_TRIES - 1):
        try:
            return attempt()
        except LedgerConflict:
            continue
        except VersionChanged:
            if versions is not None:
                raise
    return attempt()
