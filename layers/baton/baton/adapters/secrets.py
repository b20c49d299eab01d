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
"""How long a replaced key may still be used by a function that is warm: for the destination that it was given for."""


class SsmSecrets:
    """SSM's standard parameters cost nothing and hold 4 KB; the cache keeps reads far below its rate limit.

    The client is made only when an instance has a key.
    """

    def __init__(self, client: Callable[[], SSMClient], prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def read_api_key(self, tenant: str, instance_id: int, destination: Destination, *, fresh: bool = False) -> str:
        """The key for a call to there, as of now if it is to be ``fresh``, else as of the last minute; one that doesn't
        fit is read anew, since it may have been replaced in that minute.

        :raises LlmRefused: if the key that should be there is not, or was given for another destination.
        :raises LlmUnreachable: if SSM doesn't give it at this moment.
        """
        kept = self._read(tenant, instance_id, fresh=fresh)
        try:
            return key_from(kept, instance_id, destination)
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
                raise LlmRefused(f"The API key of LLM instance {instance_id} is gone; set it again.") from error
            raise LlmUnreachable(f"The API key of LLM instance {instance_id} can't be read at this moment.") from error

    def write_api_key(self, tenant: str, instance_id: int, api_key: ApiKey) -> None:
        """Keep or replace the key."""
        self._forget_what_was_read()
        name = self._name(tenant, instance_id)
        self._client().put_parameter(Name=name, Value=api_key.text(), Type="SecureString", Overwrite=True)

    def delete_api_key(self, tenant: str, instance_id: int) -> None:
        """Forget the key; an instance without one is no error."""
        self._forget_what_was_read()
        client = self._client()
        with suppress(client.exceptions.ParameterNotFound):
            client.delete_parameter(Name=self._name(tenant, instance_id))

    def _forget_what_was_read(self) -> None:
        self.__dict__.pop("_parameters", None)

    @cached_property
    def _parameters(self) -> SSMProvider:
        from aws_lambda_powertools.utilities.parameters import (  # noqa: PLC0415 - only a call with a key pays for it
            SSMProvider,
        )

        return SSMProvider(boto3_client=self._client())

    def _name(self, tenant: str, instance_id: int) -> str:
        return f"{self._prefix}/{tenant}/llm-instances/{instance_id}/api-key"


def _is_missing(cause: BaseException | None) -> bool:
    """Powertools raises its own error while it handles the one that tells."""
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "ParameterNotFound"
