"""Errors that boto3 raises before a byte is sent are mapped to LLM errors, and the mapping is complete."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import botocore
import pytest
from botocore.exceptions import BotoCoreError, CredentialRetrievalError

from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.adapters.llm.providers.bedrock import failures as bedrock_failures
from baton.adapters.llm.providers.bedrock.failures import client_failure
from baton.domain.errors import LlmRefused, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from tests.support.bedrock import account_at
from tests.support.llm_calls import TRANSPORT

Build = Callable[..., LlmCall]
ROWS = bedrock_failures.FAILURES.keys()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            r"has no AWS credentials .*\(NoCredentialsError\)\.",
        ),
        ({"AWS_SECRET_ACCESS_KEY": None}, r"has no AWS credentials .*\(PartialCredentialsError\)\."),
        ({"AWS_DEFAULT_REGION": None}, r"has no AWS region, .*\(NoRegionError\)\."),
        ({"AWS_DEFAULT_REGION": "over there"}, r"has no AWS region, .*\(InvalidRegionError\)\."),
        ({"AWS_PROFILE": "nobody"}, r"with boto3 as it is configured here \(ProfileNotFound\)\."),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "nonsense"}, r"with boto3 as it is configured here \(ValueError\)\."),
    ],
)
def test_missing_or_wrong_aws_configuration_is_named(
    a_call: Build, environment: dict[str, str | None], message: str
) -> None:
    with account_at(None, **environment), pytest.raises(LlmRefused, match=f"LLM instance 'demo' .*{message}"):
        bedrock.complete(a_call(base_url=None), None, TRANSPORT)


@pytest.mark.parametrize("settings", [{"max_tokens": 0}, {"top_p": "a secret"}])
def test_a_parameter_rejected_by_boto3_is_named_without_its_value(a_call: Build, settings: dict[str, Any]) -> None:
    with account_at(None), pytest.raises(LlmRefused, match=r"setting that Converse doesn't accept \(Param") as caught:
        bedrock.complete(a_call(base_url=None, **settings), None, TRANSPORT)
    assert "secret" not in str(caught.value)
    no_traceback = (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert no_traceback, "botocore's own message quotes the value"


def subclasses(kind: type[BotoCoreError]) -> Iterator[type[BotoCoreError]]:
    for below in kind.__subclasses__():
        if below.__module__.startswith("botocore."):
            yield below
            yield from subclasses(below)


def test_every_botocore_exception_is_mapped() -> None:
    for module in pkgutil.iter_modules(botocore.__path__):
        importlib.import_module(f"botocore.{module.name}")
    kinds = set(subclasses(BotoCoreError))
    assert len(kinds) > 80
    assert [kind.__name__ for kind in kinds if not {base.__name__ for base in kind.__mro__} & ROWS] == []


def test_no_base_exception_is_mapped() -> None:
    assert not {"BotoCoreError", "Exception", "BaseException", "object"} & ROWS


def test_an_unknown_botocore_exception_fails_with_its_name(a_call: Build) -> None:
    class BrandNewError(BotoCoreError):
        pass

    error = client_failure(BrandNewError(), a_call())
    assert type(error) is LlmRefused
    assert str(error) == "LLM instance 'demo' can't be called through boto3 (BrandNewError)."


def test_a_temporary_failure_to_get_credentials_is_retried(a_call: Build) -> None:
    error = client_failure(CredentialRetrievalError(provider="p", error_msg="a secret"), a_call())
    assert type(error) is LlmUnreachable
    assert "secret" not in str(error)
