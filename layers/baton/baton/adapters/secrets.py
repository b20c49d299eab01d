"""API keys of LLM instances, as SecureString parameters in SSM."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from baton.domain.errors import LlmRefused, LlmUnreachable
from baton.domain.llm.api_keys import ApiKey, Destination, key_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.parameters import SSMProvider
    from mypy_boto3_ssm import SSMClient

CACHE_SECONDS = 60
"""How long a warm function may still use a replaced key, for the destination that the key is stored with."""


class SsmSecrets:
    """Standard parameters of SSM are free and hold 4 KB. The cache avoids SSM's rate limit.

    The client is created only when an instance has a key.
    """

    def __init__(self, client: Callable[[], SSMClient], prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def read_api_key(self, tenant: str, instance_id: int, destination: Destination, *, fresh: bool = False) -> str:
        """The key for a call to this destination; up to a minute old unless ``fresh``. A cached key for another
        destination is read again, since it may have been replaced.

        :raises LlmRefused: if the key is missing, or was set for another destination.
        :raises LlmUnreachable: if SSM fails at the moment.
        """
        stored = self._read(tenant, instance_id, fresh=fresh)
        try:
            return key_from(stored, instance_id, destination)
        except LlmRefused:
            if fresh:
                raise
            return key_from(self._read(tenant, instance_id, fresh=True), instance_id, destination)

    def _read(self, tenant: str, instance_id: int, *, fresh: bool) -> str:
        from aws_lambda_powertools.utilities.parameters.exceptions import (  # noqa: PLC0415 - as in _parameters
            GetParameterError,
        )

        name = self._name(tenant, instance_id)
        try:
            return str(self._parameters.get(name, max_age=CACHE_SECONDS, force_fetch=fresh, decrypt=True))
        except GetParameterError as error:
            if _is_missing(error.__context__):
                raise LlmRefused(
                    f"The API key of LLM instance {instance_id} no longer exists; set it again."
                ) from error
            raise LlmUnreachable(f"The API key of LLM instance {instance_id} can't be read at this moment.") from error

    def write_api_key(self, tenant: str, instance_id: int, api_key: ApiKey) -> None:
        """Store or replace the key."""
        self._clear_cache()
        name = self._name(tenant, instance_id)
        self._client().put_parameter(Name=name, Value=api_key.to_text(), Type="SecureString", Overwrite=True)

    def delete_api_key(self, tenant: str, instance_id: int) -> None:
        """Delete the key; no error if the instance has none."""
        self._clear_cache()
        client = self._client()
        with suppress(client.exceptions.ParameterNotFound):
            client.delete_parameter(Name=self._name(tenant, instance_id))

    def _clear_cache(self) -> None:
        self.__dict__.pop("_parameters", None)

    @cached_property
    def _parameters(self) -> SSMProvider:
        from aws_lambda_powertools.utilities.parameters import (  # noqa: PLC0415 - only a call with a key pays for the import
            SSMProvider,
        )

        return SSMProvider(boto3_client=self._client())

    def _name(self, tenant: str, instance_id: int) -> str:
        return f"{self._prefix}/{tenant}/llm-instances/{instance_id}/api-key"


def _is_missing(cause: BaseException | None) -> bool:
    """Powertools raises its own error while it handles the one of SSM, which is its context."""
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "ParameterNotFound"
