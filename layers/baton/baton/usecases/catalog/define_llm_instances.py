"""Create, replace or delete an LLM instance together with its API key, which is stored as a secret."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from baton.domain.catalog.definitions import LlmInstance, LlmInstanceDraft, new_definition
from baton.domain.errors import BatonError, Invalid, NotFound
from baton.domain.llm.api_keys import MAX_TEXT_BYTES, ApiKey, Destination
from baton.domain.llm.base_urls import BaseUrlError
from baton.domain.times import timestamp
from baton.usecases.catalog.define import Define, Edit
from baton.usecases.llm.api_keys import ApiKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineLlmInstances:
    """Create, replace and delete LLM instances. The record is written first: it decides whether there is a key."""

    define: Define
    api_keys: ApiKeys

    def create(self, tenant: str, draft: LlmInstanceDraft, api_key: str | None, now: datetime) -> LlmInstance:
        """As :meth:`Define.create`, with its key; ``None`` and ``NO_KEY`` are no key.

        The record is written first, so that no key is stored without a record. If writing the key fails, the record is
        removed again. After a crash between the two writes, calls fail with the name of the instance until a
        replacement contains the key.
        """
        key = self._new_key(draft, api_key)
        instance_id = self.define.catalog.reserve_id(tenant, draft.kind)
        keyed = replace(draft, has_api_key=key is not None, api_key_version=1)
        instance = new_definition(LlmInstance, keyed, instance_id, timestamp(now))
        if key is None:
            return self.define.store_new(tenant, instance)
        try:
            self.define.store_new(tenant, instance)
            self._store_key(tenant, instance, key)
        except BatonError:
            raise
        except Exception:
            self._roll_back(Edit(tenant=tenant, definition_id=instance_id, now=now, versions=frozenset({1})))
            raise
        return instance

    def replace(self, edit: Edit, draft: LlmInstanceDraft, api_key: str | None) -> LlmInstance:
        """As :meth:`Define.replace`. ``None`` leaves the key as it is, ``NO_KEY`` removes it.

        The record is written first, on condition that no other writer has changed it. ``api_key_version`` in it is the
        version that set or removed the key; only the writer of that version writes the secret, and only while no later
        version has changed the key. After a crash between the two writes the old secret remains: calls fail if it is
        for another origin or provider, and repeating the request repairs it.

        Of two keys that are sent concurrently for the same origin, either may remain. A removal concurrent with a new
        key may remove the new key; calls then report that the key is missing.

        :raises Invalid: also if the stored key is for another origin or provider than the new ones.
        """
        key = self._new_key(draft, api_key)
        written = self.define.replace(
            edit, LlmInstance, draft, lambda current: self._with_key_fields(current, draft, api_key)
        )
        if api_key is not None:
            self._store_key(edit.tenant, written, key)
        return written

    def delete(self, edit: Edit) -> None:
        """As :meth:`Define.delete`, with its key. Active runs can no longer use the instance.

        The record is deleted first, so that an instance that can't be deleted retains its key. A key that remains
        after a crash between the two is deleted when the request is repeated.
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
            raise Invalid("api_key", "is too long to be stored.")
        return key

    def _with_key_fields(self, current: LlmInstance, draft: LlmInstanceDraft, api_key: str | None) -> LlmInstanceDraft:
        """The draft with the fields about the key, from the request or from the instance that is replaced."""
        if api_key is not None:
            return replace(draft, has_api_key=bool(api_key), api_key_version=current.version + 1)
        if current.has_api_key and not self._has_same_destination(current, draft):
            raise Invalid(
                "api_key",
                "the stored key is for another provider or base_url (scheme, host and port). "
                "Send the key for the new one, or null to remove it.",
            )
        return replace(draft, has_api_key=current.has_api_key, api_key_version=current.api_key_version)

    def _has_same_destination(self, current: LlmInstance, draft: LlmInstanceDraft) -> bool:
        new = self._destination(draft)
        try:
            return self.api_keys.destination(current) == new
        except BaseUrlError:
            return False

    def _destination(self, draft: LlmInstanceDraft) -> Destination:
        try:
            return self.api_keys.destination(draft)
        except BaseUrlError as error:
            raise Invalid("base_url", f"{error}.") from None

    def _store_key(self, tenant: str, written: LlmInstance, key: ApiKey | None) -> None:
        """Write or remove the secret, unless a later version than ``written`` has set or removed the key."""
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

    def _roll_back(self, edit: Edit) -> None:
        """Errors are ignored: the client gets the first failure."""
        with suppress(Exception):
            self.delete(edit)
