"""Each port twice: the fake that unit tests use, and the adapter on an AWS account in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baton.adapters.dynamodb.catalog import DynamoCatalogStore
from baton.adapters.dynamodb.connections import DynamoConnections
from baton.adapters.dynamodb.limits import DynamoLimitStore
from baton.adapters.dynamodb.runs import DynamoRunHistories, DynamoRunStore
from baton.adapters.dynamodb.steps import DynamoStepStore
from baton.adapters.s3 import S3Texts
from baton.adapters.secrets import SsmSecrets
from baton.usecases.live.ports import Connections
from baton.usecases.llm.ports import LimitStore, Secrets
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clients import FakeConnections
from tests.fakes.limits import FakeLimits
from tests.fakes.llm import FakeSecrets
from tests.fakes.runs import FakeRuns, FakeSteps
from tests.support.aws import Account
from tests.support.stores import Catalog, RunStores


@pytest.fixture(params=["fake", "dynamodb"])
def stores(request: pytest.FixtureRequest) -> RunStores:
    if request.param == "fake":
        fake = FakeRuns()
        return RunStores(runs=fake, steps=FakeSteps(fake), histories=fake)
    made: RunStores = request.getfixturevalue("dynamodb_stores")
    return made


@pytest.fixture
def dynamodb_stores(aws: Account) -> RunStores:
    """The adapters alone, for what only a table can show."""
    texts = S3Texts(lambda: aws.s3, aws.texts_bucket)
    return RunStores(
        runs=DynamoRunStore(aws.dynamodb, aws.runs_table, texts),
        steps=DynamoStepStore(aws.dynamodb, aws.runs_table, texts),
        histories=DynamoRunHistories(aws.dynamodb, aws.runs_table),
    )


@pytest.fixture(params=["fake", "dynamodb"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    if request.param == "fake":
        return FakeCatalog()
    aws: Account = request.getfixturevalue("aws")
    return DynamoCatalogStore(aws.dynamodb, aws.catalog_table, S3Texts(lambda: aws.s3, aws.texts_bucket))


@pytest.fixture(params=["fake", "dynamodb"])
def connections(request: pytest.FixtureRequest) -> Connections:
    if request.param == "fake":
        return FakeConnections()
    aws: Account = request.getfixturevalue("aws")
    return DynamoConnections(aws.dynamodb, aws.connections_table)


@pytest.fixture(params=["fake", "dynamodb"])
def limits(request: pytest.FixtureRequest) -> LimitStore:
    if request.param == "fake":
        return FakeLimits()
    aws: Account = request.getfixturevalue("aws")
    return DynamoLimitStore(aws.dynamodb, aws.runs_table)


@pytest.fixture(params=["fake", "ssm"])
def new_secrets(request: pytest.FixtureRequest) -> Callable[[], Secrets]:
    """Each call is another function with the same secrets: what one has read before, the other has not."""
    if request.param == "fake":
        fake = FakeSecrets()
        return lambda: fake
    aws: Account = request.getfixturevalue("aws")
    return lambda: SsmSecrets(lambda: aws.ssm, "/baton-test")
