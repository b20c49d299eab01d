"""Create, replace or delete a block, payload, workflow or LLM instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from baton.domain.api_keys import MAX_TEXT_BYTES, ApiKey, Destination
from baton.domain.base_urls import BaseUrlError
from baton.domain.catalog import (
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
from baton.domain.errors import BatonError, InUse, Invalid, LedgerMoved, NotFound, VersionChanged
from baton.domain.fallbacks import chain, check_fallbacks, targets, with_fallbacks
from baton.domain.llm import LlmSettings, Refusal
from baton.domain.llm_hosts import LlmHosts
from baton.domain.times import timestamp
from baton.usecases.api_keys import ApiKeys
from baton.usecases.ports import CatalogStore, Refusals

MOST_TRIES = 10
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
    """What defining needs; an LLM instance chooses one of the ``providers``, and a host among ``llm_hosts``."""

    catalog: CatalogStore
    api_keys: ApiKeys
    providers: frozenset[str]
    refusals: Refusals
    llm_hosts: LlmHosts

    def create[D: Definition](self, tenant: str, kind: type[D], draft: Draft, now: datetime) -> D:
        """The stored definition, with its id.

        :raises Invalid: if it refers to what isn't there.
        :raises NameTaken: if another definition of the kind has the name.
        """
        definition_id = self.catalog.reserve_id(tenant, draft.kind)
        return self._create(tenant, first_version(kind, draft, definition_id, timestamp(now)))

    def replace[D: Definition](self, edit: Edit, kind: type[D], draft: Draft) -> D:
        """The stored definition, in its next version.

        :raises NotFound: if it isn't there.
        :raises Invalid: if it refers to what isn't there.
        :raises NameTaken: if another definition of the kind has the name.
        :raises VersionChanged: if it is in none of the versions that the change is meant for.
        """
        return self._replace(edit, kind, draft, lambda _: draft)

    def _replace[D: Definition](self, edit: Edit, kind: type[D], draft: Draft, becoming: Callable[[D], Draft]) -> D:
        """``becoming`` completes the draft with what depends on the definition that is replaced."""

        def once() -> D:
            ledger = self.catalog.read_ledger(edit.tenant)
            self._check(edit.tenant, draft, edit.definition_id)
            current = self._expected(edit, kind)
            following = next_version(current, becoming(current), timestamp(edit.now))
            self.catalog.replace(edit.tenant, current, following, ledger)
            return following

        return until_undisturbed(once, edit.versions)

    def delete(self, edit: Edit, kind: type[Definition]) -> None:
        """Remove a definition that nothing refers to. Its id is never given again.

        :raises NotFound: if it isn't there.
        :raises InUse: if other definitions refer to it.
        :raises VersionChanged: if it is in none of the versions that the change is meant for.
        """

        def once() -> None:
            ledger = self.catalog.read_ledger(edit.tenant)
            current = self._expected(edit, kind)
            if users := self.catalog.users(edit.tenant, current):
                raise InUse(users)
            self.catalog.delete(edit.tenant, current, ledger)

        until_undisturbed(once, edit.versions)

    def create_llm_instance(
        self, tenant: str, draft: LlmInstanceDraft, api_key: str | None, now: datetime
    ) -> LlmInstance:
        """As :meth:`create`, with its key; ``None`` and ``NO_KEY`` are no key.

        The record comes first, so that no key is ever kept that no record tells of. If the key can't be written then,
        the record is taken back. After a crash between the two the record is there and its key isn't: calls are refused
        by name until a replacement brings the key.
        """
        key = self._new_key(draft, api_key)
        instance_id = self.catalog.reserve_id(tenant, draft.kind)
        keyed = replace(draft, has_api_key=key is not None, api_key_version=1)
        instance = first_version(LlmInstance, keyed, instance_id, timestamp(now))
        if key is None:
            return self._create(tenant, instance)
        try:
            self._create(tenant, instance)
            self._keep_key(tenant, instance, key)
        except BatonError:
            raise
        except Exception:
            self._take_back(Edit(tenant=tenant, definition_id=instance_id, now=now, versions=frozenset({1})))
            raise
        return instance

    def replace_llm_instance(self, edit: Edit, draft: LlmInstanceDraft, api_key: str | None) -> LlmInstance:
        """As :meth:`replace`. ``None`` leaves the key as it is, ``NO_KEY`` removes it.

        Whether there is a key is decided by the record that is replaced, which no other writer can have changed
        meanwhile. The record comes first and says which of its versions decided on the key; only its writer then writes
        the secret, and not if another decision came after it. A crash between the two leaves the old secret: calls are
        refused by name if it was given for another origin or provider, and the same request again mends it.

        Of two keys that are given for the same place at the same moment, either may stay. A removal that comes at the
        same moment as a new key may remove that; calls then say that the key is gone.

        :raises Invalid: also if a key is kept, but not for the new origin or provider.
        """
        key = self._new_key(draft, api_key)
        following = self._replace(edit, LlmInstance, draft, lambda current: self._keyed(current, draft, api_key))
        if api_key is not None:
            self._keep_key(edit.tenant, following, key)
        return following

    def delete_llm_instance(self, edit: Edit) -> None:
        """As :meth:`delete`, with its key. A run that is under way can then no longer use it.

        The record comes first, so that an instance that stays keeps its key. A key that a crash between the two has
        left behind goes when the deletion is asked for again.
        """
        try:
            self.delete(edit, LlmInstance)
        except NotFound:
            self.api_keys.secrets.delete_api_key(edit.tenant, edit.definition_id)
            raise
        self.api_keys.secrets.delete_api_key(edit.tenant, edit.definition_id)

    def _new_key(self, draft: LlmInstanceDraft, api_key: str | None) -> ApiKey | None:
        if not api_key:
            return None
        key = ApiKey(self._destination(draft), api_key)
        if len(key.text()) > MAX_TEXT_BYTES:
            raise Invalid("api_key", "is too long to be kept.")
        return key

    def _keyed(self, current: LlmInstance, draft: LlmInstanceDraft, api_key: str | None) -> LlmInstanceDraft:
        """What becomes of the key of the instance that is replaced."""
        if api_key is not None:
            return replace(draft, has_api_key=bool(api_key), api_key_version=current.version + 1)
        if current.has_api_key and not self._goes_on(current, draft):
            raise Invalid(
                "api_key",
                "the key that is kept was given for another provider or base_url (scheme, host and port). "
                "Send the key for the new one, or null to remove it.",
            )
        return replace(draft, has_api_key=current.has_api_key, api_key_version=current.api_key_version)

    def _goes_on(self, current: LlmInstance, draft: LlmInstanceDraft) -> bool:
        """Whether calls go where they went."""
        following = self._destination(draft)
        try:
            return self.api_keys.destination(current) == following
        except BaseUrlError:
            return False

    def _destination(self, draft: LlmInstanceDraft) -> Destination:
        try:
            return self.api_keys.destination(draft)
        except BaseUrlError as error:
            raise Invalid("base_url", f"{error}.") from None

    def _keep_key(self, tenant: str, written: LlmInstance, key: ApiKey | None) -> None:
        """Write or remove the secret, unless another writer has decided on the key since ``written``."""
        newest = self._newest(tenant, written.id)
        if newest is None or newest.api_key_version != written.api_key_version:
            return
        if key is not None:
            self.api_keys.secrets.write_api_key(tenant, written.id, key)
            newest = self._newest(tenant, written.id)
        if newest is None or not newest.has_api_key:
            self.api_keys.secrets.delete_api_key(tenant, written.id)

    def _newest(self, tenant: str, instance_id: int) -> LlmInstance | None:
        return self.catalog.read_many(tenant, LlmInstance, [instance_id]).get(instance_id)

    def _take_back(self, edit: Edit) -> None:
        """As far as it can be: it is the first failure that the client is told."""
        with suppress(Exception):
            self.delete_llm_instance(edit)

    def _create[D: Definition](self, tenant: str, definition: D) -> D:
        def once() -> D:
            ledger = self.catalog.read_ledger(tenant) if definition.refers_to else Ledger()
            self._check(tenant, definition, definition.id)
            self.catalog.create(tenant, definition, ledger)
            return definition

        return until_undisturbed(once)

    def _expected[D: Definition](self, edit: Edit, kind: type[D]) -> D:
        current = self.catalog.read(edit.tenant, kind, edit.definition_id)
        if edit.versions is not None and current.version not in edit.versions:
            raise VersionChanged(KIND_WORDS[kind.kind], edit.definition_id)
        return current

    def _check(self, tenant: str, draft: Draft, definition_id: int | None) -> None:
        check_size(draft)
        match draft:
            case PayloadDraft():
                self._are_there(tenant, "blocks", Block, draft.block_ids)
                found = self._are_there(tenant, "llm_instance", LlmInstance, [draft.llm_instance])
                instances = with_fallbacks(found.values(), partial(self.catalog.read_many, tenant, LlmInstance))
                for refusal in refused(self.refusals, draft.settings, found[draft.llm_instance], instances):
                    raise Invalid(refusal.setting, f"{refusal.sentence}.")
            case WorkflowDraft():
                self._are_there(tenant, "payloads", Payload, draft.payloads)
            case LlmInstanceDraft():
                self._check_instance(tenant, draft, definition_id)

    def _check_instance(self, tenant: str, draft: LlmInstanceDraft, definition_id: int | None) -> None:
        """Of an instance that is replaced, the payloads are not looked at: what it then lacks, their runs tell."""
        if draft.provider not in self.providers:
            raise Invalid("provider", f"{draft.provider!r} is none of {', '.join(sorted(self.providers))}.")
        for refusal in self.refusals(draft.provider, draft.defaults):
            raise Invalid(f"defaults.{refusal.setting}", f"{refusal.sentence}.")
        if draft.base_url is not None and (objection := self.llm_hosts.objection_to_url(draft.base_url)):
            raise Invalid("base_url", f"its host can't be called: {objection}.")
        if draft.fallback is not None:
            found = self._are_there(tenant, "fallback", LlmInstance, [draft.fallback])
            following = with_fallbacks(found.values(), partial(self.catalog.read_many, tenant, LlmInstance))
            check_fallbacks(definition_id, draft, following)

    def _are_there[D: Definition](self, tenant: str, field: str, kind: type[D], ids: Sequence[int]) -> Mapping[int, D]:
        found = self.catalog.read_many(tenant, kind, ids)
        missing = [str(id_) for id_ in dict.fromkeys(ids) if id_ not in found]
        if missing:
            raise Invalid(field, f"there is no {KIND_WORDS[kind.kind]} {', '.join(missing)}.")
        return found


def refused(
    refusals: Refusals, settings: LlmSettings, instance: LlmInstance, instances: Mapping[int, LlmInstance]
) -> Iterator[Refusal]:
    """What the payload's instance, and those that may answer in its place, don't take of its settings."""
    for target in targets(settings, chain(instance, instances)):
        endpoint = target.endpoint
        for refusal in refusals(endpoint.provider, target.settings):
            of_whom = "" if endpoint.instance_id == instance.id else f"of the fallback {endpoint.instance_name!r}: "
            yield Refusal(refusal.setting, f"{of_whom}{refusal.sentence}")


def until_undisturbed[T](once: Callable[[], T], versions: Versions = None) -> T:
    """Begin anew while others come between; a change that is meant for certain versions gives up on another one."""
    for _ in range(MOST_TRIES - 1):
        try:
            return once()
        except LedgerMoved:
            continue
        except VersionChanged:
            if versions is not None:
                raise
    return once()
