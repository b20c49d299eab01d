"""Create, replace or delete a definition. What an LLM instance needs besides is in ``define_llm_instances``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from baton.domain.catalog.definitions import (
    KIND_WORDS,
    Block,
    Definition,
    Draft,
    Ledger,
    LlmInstance,
    LlmInstanceDraft,
    Payload,
    PayloadDraft,
    WorkflowDraft,
    check_size,
    first_version,
    next_version,
)
from baton.domain.catalog.fallbacks import chain, check_fallbacks, targets, with_fallbacks
from baton.domain.errors import InUse, Invalid, LedgerConflict, VersionChanged
from baton.domain.llm.hosts import HostPolicy
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting
from baton.domain.times import timestamp
from baton.usecases.catalog.ports import CatalogStore
from baton.usecases.llm.ports import UnsupportedSettings

MAX_TRIES = 10
"""How often a change is begun anew because somebody else's came between its check and its write."""

type Versions = frozenset[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Which definition is to be changed, and when.

    ``versions`` are those that the change is meant for; ``None``: whichever is there, so that the last writer wins.
    """

    tenant: str
    definition_id: int
    now: datetime
    versions: Versions = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Define:
    """What defining needs; an LLM instance chooses one of the ``providers``, and a host among ``host_policy``."""

    catalog: CatalogStore
    providers: frozenset[str]
    unsupported_settings: UnsupportedSettings
    host_policy: HostPolicy

    def create[D: Definition](self, tenant: str, kind: type[D], draft: Draft, now: datetime) -> D:
        """The stored definition, with its id.

        :raises Invalid: if it refers to what isn't there.
        :raises NameTaken: if another definition of the kind has the name.
        """
        definition_id = self.catalog.reserve_id(tenant, draft.kind)
        return self.store_new(tenant, first_version(kind, draft, definition_id, timestamp(now)))

    def replace[D: Definition](
        self, edit: Edit, kind: type[D], draft: Draft, complete: Callable[[D], Draft] | None = None
    ) -> D:
        """The stored definition, in its next version.

        ``complete`` makes the draft out of the definition that is replaced, where it depends on that.

        :raises NotFound: if it isn't there.
        :raises Invalid: if it refers to what isn't there.
        :raises NameTaken: if another definition of the kind has the name.
        :raises VersionChanged: if it is in none of the versions that the change is meant for.
        """

        def once() -> D:
            ledger = self.catalog.read_ledger(edit.tenant)
            self._check(edit.tenant, draft, edit.definition_id)
            current = self._expected(edit, kind)
            completed = complete(current) if complete else draft
            following = next_version(current, completed, timestamp(edit.now))
            self.catalog.replace(edit.tenant, current, following, ledger)
            return following

        return retry_on_conflict(once, edit.versions)

    def delete(self, edit: Edit, kind: type[Definition]) -> None:
        """Remove a definition that nothing refers to. Its id is never given again.

        :raises NotFound: if it isn't there.
        :raises InUse: if other definitions refer to it.
        :raises VersionChanged: if it is in none of the versions that the change is meant for.
        """

        def once() -> None:
            ledger = self.catalog.read_ledger(edit.tenant)
            current = self._expected(edit, kind)
            if users := self.catalog.referrers(edit.tenant, current):
                raise InUse(users)
            self.catalog.delete(edit.tenant, current, ledger)

        retry_on_conflict(once, edit.versions)

    def store_new[D: Definition](self, tenant: str, definition: D) -> D:
        """As :meth:`create`, under an id that was reserved for it."""

        def once() -> D:
            ledger = self.catalog.read_ledger(tenant) if definition.refers_to else Ledger()
            self._check(tenant, definition, definition.id)
            self.catalog.create(tenant, definition, ledger)
            return definition

        return retry_on_conflict(once)

    def _expected[D: Definition](self, edit: Edit, kind: type[D]) -> D:
        current = self.catalog.read(edit.tenant, kind, edit.definition_id)
        if edit.versions is not None and current.version not in edit.versions:
            raise VersionChanged(KIND_WORDS[kind.kind], edit.definition_id)
        return current

    def _check(self, tenant: str, draft: Draft, definition_id: int | None) -> None:
        check_size(draft)
        match draft:
            case PayloadDraft():
                self._require_existing(tenant, "blocks", Block, draft.block_ids)
                found = self._require_existing(tenant, "llm_instance", LlmInstance, [draft.llm_instance])
                instances = with_fallbacks(found.values(), partial(self.catalog.read_many, tenant, LlmInstance))
                for refusal in refused(self.unsupported_settings, draft.settings, found[draft.llm_instance], instances):
                    raise Invalid(refusal.setting, f"{refusal.detail}.")
            case WorkflowDraft():
                self._require_existing(tenant, "payloads", Payload, draft.payloads)
            case LlmInstanceDraft():
                self._check_instance(tenant, draft, definition_id)

    def _check_instance(self, tenant: str, draft: LlmInstanceDraft, definition_id: int | None) -> None:
        """Of an instance that is replaced, the payloads are not looked at: what it then lacks, their runs tell."""
        if draft.provider not in self.providers:
            raise Invalid("provider", f"{draft.provider!r} is none of {', '.join(sorted(self.providers))}.")
        for refusal in self.unsupported_settings(draft.provider, draft.defaults):
            raise Invalid(f"defaults.{refusal.setting}", f"{refusal.detail}.")
        if draft.base_url is not None and (objection := self.host_policy.url_error(draft.base_url)):
            raise Invalid("base_url", f"its host can't be called: {objection}.")
        if draft.fallback is not None:
            found = self._require_existing(tenant, "fallback", LlmInstance, [draft.fallback])
            following = with_fallbacks(found.values(), partial(self.catalog.read_many, tenant, LlmInstance))
            check_fallbacks(definition_id, draft, following)

    def _require_existing[D: Definition](
        self, tenant: str, field: str, kind: type[D], ids: Sequence[int]
    ) -> Mapping[int, D]:
        found = self.catalog.read_many(tenant, kind, ids)
        missing = [str(id_) for id_ in dict.fromkeys(ids) if id_ not in found]
        if missing:
            raise Invalid(field, f"there is no {KIND_WORDS[kind.kind]} {', '.join(missing)}.")
        return found


def refused(
    unsupported_settings: UnsupportedSettings,
    settings: LlmSettings,
    instance: LlmInstance,
    instances: Mapping[int, LlmInstance],
) -> Iterator[UnsupportedSetting]:
    """What the payload's instance, and those that may answer in its place, don't take of its settings."""
    for target in targets(settings, chain(instance, instances)):
        endpoint = target.endpoint
        for refusal in unsupported_settings(endpoint.provider, target.settings):
            of_whom = "" if endpoint.instance_id == instance.id else f"of the fallback {endpoint.instance_name!r}: "
            yield UnsupportedSetting(refusal.setting, f"{of_whom}{refusal.detail}")


def retry_on_conflict[T](once: Callable[[], T], versions: Versions = None) -> T:
    """Begin anew while others come between; a change that is meant for certain versions gives up on another one."""
    for _ in range(MAX_TRIES - 1):
        try:
            return once()
        except LedgerConflict:
            continue
        except VersionChanged:
            if versions is not None:
                raise
    return once()
