"""Create, replace or delete an LLM instance, with the secret that is kept beside its record."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from baton.domain.catalog.definitions import LlmInstance, LlmInstanceDraft, first_version
from baton.domain.errors import BatonError, Invalid, NotFound
from baton.domain.llm.api_keys import MAX_TEXT_BYTES, ApiKey, Destination
from baton.domain.llm.base_urls import BaseUrlError
from baton.domain.times import timestamp
from baton.usecases.catalog.define import Define, Edit
from baton.usecases.llm.api_keys import ApiKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineLlmInstances:
    """What defining LLM instances needs. The record always comes first: it decides on the key, not the secret."""

    define: Define
    api_keys: ApiKeys

    def create(self, tenant: str, draft: LlmInstanceDraft, api_key: str | None, now: datetime) -> LlmInstance:
        """As :meth:`Define.create`, with its key; ``None`` and ``NO_KEY`` are no key.

        The record comes first, so that no key is ever kept that no record tells of. If the key can't be written then,
        the record is taken back. After a crash between the two the record is there and its key isn't: calls are refused
        by name until a replacement brings the key.
        """
        key = self._new_key(draft, api_key)
        instance_id = self.define.catalog.reserve_id(tenant, draft.kind)
        keyed = replace(draft, has_api_key=key is not None, api_key_version=1)
        instance = first_version(LlmInstance, keyed, instance_id, timestamp(now))
        if key is None:
            return self.define.store_new(tenant, instance)
        try:
            self.define.store_new(tenant, instance)
            self._keep_key(tenant, instance, key)
        except BatonError:
            raise
        except Exception:
            self._take_back(Edit(tenant=tenant, definition_id=instance_id, now=now, versions=frozenset({1})))
            raise
        return instance

    def replace(self, edit: Edit, draft: LlmInstanceDraft, api_key: str | None) -> LlmInstance:
        """As :meth:`Define.replace`. ``None`` leaves the key as it is, ``NO_KEY`` removes it.

        Whether there is a key is decided by the record that is replaced, which no other writer can have changed
        meanwhile. The record comes first and says which of its versions decided on the key; only its writer then writes
        the secret, and not if another decision came after it. A crash between the two leaves the old secret: calls are
        refused by name if it was given for another origin or provider, and the same request again mends it.

        Of two keys that are given for the same place at the same moment, either may stay. A removal that comes at the
        same moment as a new key may remove that; calls then say that the key is gone.

        :raises Invalid: also if a key is kept, but not for the new origin or provider.
        """
        key = self._new_key(draft, api_key)
        following = self.define.replace(edit, LlmInstance, draft, lambda current: self._keyed(current, draft, api_key))
        if api_key is not None:
            self._keep_key(edit.tenant, following, key)
        return following

    def delete(self, edit: Edit) -> None:
        """As :meth:`Define.delete`, with its key. A run that is under way can then no longer use it.

        The record comes first, so that an instance that stays keeps its key. A key that a crash between the two has
        left behind goes when the deletion is asked for again.
        """
        try:
            self.define.delete(edit, LlmInstance)
        except NotFound:
            self.api_keys.secrets.delete_api_key(edit.tenant, edit.definition_id)
            raise
        self.api_keys.secrets.delete_api_key(edit.tenant, edit.definition_id)

    def _new_key(self, draft: LlmInstanceDraft, api_key: str | None) -> ApiKey | None:
        if not api_key:
            return None
        key = ApiKey(self._destination(draft), api_key)
        if len(key.to_text()) > MAX_TEXT_BYTES:
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
        return self.define.catalog.read_many(tenant, LlmInstance, [instance_id]).get(instance_id)

    def _take_back(self, edit: Edit) -> None:
        """As far as it can be: it is the first failure that the client is told."""
        with suppress(Exception):
            self.delete(edit)
