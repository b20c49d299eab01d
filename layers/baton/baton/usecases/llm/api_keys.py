"""Read the API key of a call. A key is only read for the endpoint that is about to be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from baton.domain.catalog.definitions import LlmInstanceDraft
from baton.domain.llm.api_keys import Destination, destination_of, destination_of_call
from baton.domain.llm.endpoints import LlmEndpoint
from baton.usecases.llm.ports import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """The keys of LLM instances; ``base_urls`` contains the default of each provider."""

    secrets: Secrets
    base_urls: Mapping[str, str]

    def for_call(self, tenant: str, endpoint: LlmEndpoint, *, fresh: bool = False) -> str | None:
        """The key for a call of this endpoint; ``None`` if the instance has none.

        The endpoint may come from an old snapshot; the key is at most a minute old, or current if ``fresh``.

        :raises LlmRefused: if the key is missing, or was set for another origin or provider.
        """
        if not endpoint.has_api_key:
            return None
        destination = destination_of_call(endpoint.provider, endpoint.base_url, self.base_urls)
        return self.secrets.read_api_key(tenant, endpoint.instance_id, destination, fresh=fresh)

    def destination(self, instance: LlmInstanceDraft) -> Destination:
        """Where calls of this instance go.

        :raises BaseUrlError: if its base URL is invalid.
        """
        return destination_of(instance.provider, instance.base_url, self.base_urls)
