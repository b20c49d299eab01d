"""Secrets: the fake and SSM behave the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baton.adapters.secrets import SsmSecrets
from baton.domain.errors import LlmRefused
from baton.domain.llm.api_keys import Destination
from baton.usecases.llm.ports import Secrets
from tests.support.aws import Account
from tests.support.records import OTHER_TENANT, TENANT, an_api_key

type NewSecrets = Callable[[], Secrets]

NO_ADDRESS = Destination(None, "simulated")


def test_a_key_can_be_read_by_another_function(new_secrets: NewSecrets) -> None:
    new_secrets().write_api_key(TENANT, 1, an_api_key("sk-one"))
    assert new_secrets().read_api_key(TENANT, 1, NO_ADDRESS) == "sk-one"


def test_a_key_can_be_replaced(new_secrets: NewSecrets) -> None:
    new_secrets().write_api_key(TENANT, 1, an_api_key("sk-old"))
    new_secrets().write_api_key(TENANT, 1, an_api_key("sk-new"))
    assert new_secrets().read_api_key(TENANT, 1, NO_ADDRESS) == "sk-new"


def test_a_fresh_read_returns_the_newest_key_despite_a_cached_one(new_secrets: NewSecrets) -> None:
    function, other = new_secrets(), new_secrets()
    other.write_api_key(TENANT, 1, an_api_key("sk-old"))
    assert function.read_api_key(TENANT, 1, NO_ADDRESS) == "sk-old"
    other.write_api_key(TENANT, 1, an_api_key("sk-new"))
    assert function.read_api_key(TENANT, 1, NO_ADDRESS, fresh=True) == "sk-new"
    assert function.read_api_key(TENANT, 1, NO_ADDRESS) == "sk-new"
    other.delete_api_key(TENANT, 1)
    with pytest.raises(LlmRefused):
        function.read_api_key(TENANT, 1, NO_ADDRESS, fresh=True)


def test_a_missing_key_fails_with_the_instance_id(new_secrets: NewSecrets) -> None:
    with pytest.raises(LlmRefused, match="LLM instance 1"):
        new_secrets().read_api_key(TENANT, 1, NO_ADDRESS)


def test_a_deleted_key_cannot_be_read(new_secrets: NewSecrets) -> None:
    new_secrets().write_api_key(TENANT, 1, an_api_key("sk-one"))
    new_secrets().delete_api_key(TENANT, 1)
    with pytest.raises(LlmRefused):
        new_secrets().read_api_key(TENANT, 1, NO_ADDRESS)


def test_deleting_a_missing_key_is_no_error(new_secrets: NewSecrets) -> None:
    new_secrets().write_api_key(TENANT, 2, an_api_key("sk-two"))
    new_secrets().delete_api_key(TENANT, 1)
    assert new_secrets().read_api_key(TENANT, 2, NO_ADDRESS) == "sk-two"


def test_tenants_have_separate_keys(new_secrets: NewSecrets) -> None:
    new_secrets().write_api_key(TENANT, 1, an_api_key("sk-acme"))
    new_secrets().write_api_key(OTHER_TENANT, 1, an_api_key("sk-globex"))
    new_secrets().delete_api_key(OTHER_TENANT, 1)
    assert new_secrets().read_api_key(TENANT, 1, NO_ADDRESS) == "sk-acme"
    with pytest.raises(LlmRefused):
        new_secrets().read_api_key(OTHER_TENANT, 1, NO_ADDRESS)


def test_a_key_is_read_from_ssm_once_a_minute(aws: Account) -> None:
    """SSM allows 40 reads a second for the whole account."""
    secrets = SsmSecrets(lambda: aws.ssm, "/baton-test")
    secrets.write_api_key(TENANT, 1, an_api_key("sk-old"))
    secrets.read_api_key(TENANT, 1, NO_ADDRESS, fresh=True)
    SsmSecrets(lambda: aws.ssm, "/baton-test").write_api_key(TENANT, 1, an_api_key("sk-new"))
    assert secrets.read_api_key(TENANT, 1, NO_ADDRESS) == "sk-old"


def test_a_key_is_stored_encrypted(aws: Account) -> None:
    SsmSecrets(lambda: aws.ssm, "/baton-test").write_api_key(TENANT, 1, an_api_key("sk-one"))
    (parameter,) = aws.ssm.describe_parameters()["Parameters"]
    assert (parameter["Name"], parameter["Type"]) == ("/baton-test/acme/llm-instances/1/api-key", "SecureString")
