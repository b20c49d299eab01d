"""Connects use cases to adapters. The only module that imports both; each object is created once, on first use."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from baton.adapters.dynamodb import stream
from baton.adapters.dynamodb.catalog import DynamoCatalogStore
from baton.adapters.dynamodb.connections import DynamoConnections
from baton.adapters.dynamodb.limits import DynamoLimitStore
from baton.adapters.dynamodb.runs import DynamoRunHistories, DynamoRunStore
from baton.adapters.dynamodb.steps import DynamoStepStore
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.registry import PROVIDERS, base_urls, check, complete, fields_error, unsupported_settings
from baton.adapters.metrics import EmfMetrics
from baton.adapters.s3 import S3Texts
from baton.adapters.secrets import SsmSecrets
from baton.adapters.step_functions import StepFunctionsExecutions
from baton.adapters.websocket import ApiGatewayWebSockets
from baton.domain.live.messages import Change
from baton.runtime.settings import host_policy, is_emulated, run_retention, setting
from baton.usecases.catalog.define import Define
from baton.usecases.catalog.define_llm_instances import DefineLlmInstances
from baton.usecases.catalog.ports import CatalogStore, DefinitionSource
from baton.usecases.files.import_workflow_file import ImportWorkflowFile
from baton.usecases.live.follow_runs import FollowRuns
from baton.usecases.live.handle_frame import HandleFrame
from baton.usecases.live.notify_subscribers import NotifySubscribers
from baton.usecases.live.ports import Sender, WebSockets
from baton.usecases.live.retrying_sender import BRIEF, PATIENT, RetryingSender
from baton.usecases.live.stream_answer import StreamAnswer
from baton.usecases.llm.api_keys import ApiKeys
from baton.usecases.llm.check_llm_instance import CheckLlmInstance
from baton.usecases.llm.limiter import Limiter
from baton.usecases.runs.change_run import ChangeRun
from baton.usecases.runs.execute_payload import ExecutePayload
from baton.usecases.runs.ports import LongTexts, RunStore
from baton.usecases.runs.rerun import Rerun
from baton.usecases.runs.start_run import StartRun

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

AWS_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "max_attempts": 4})
"""AWS responds in milliseconds; a lost call times out and is retried long before the function's own timeout."""

SEND_TIMEOUT_SECONDS = 2.0
"""API Gateway responds in milliseconds. A longer wait for one client would delay others."""

EMULATOR_SEND_TIMEOUT_SECONDS = 10.0
"""On a busy machine, the emulator does not respond for several seconds while it starts many functions."""


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def changes(event: Mapping[str, Any]) -> list[Change]:
    """The changes in a batch of the Runs table's stream."""
    return stream.changes(event["Records"])


def batch_response(event: Mapping[str, Any], first_failure: int | None) -> dict[str, Any]:
    """The response to a batch of the Runs table's stream; ``first_failure`` is an index in the batch."""
    return stream.batch_response(event["Records"], first_failure)


def provider_fields_error(provider: str, fields: Collection[str]) -> str | None:
    """Why an LLM instance of this provider can't have exactly these optional ``fields``; ``None`` if it can."""
    return fields_error(provider, fields)


@cache
def run_store() -> RunStore:
    """Whole runs."""
    return DynamoRunStore(_dynamodb(), setting("RUNS_TABLE"), _texts())


@cache
def long_texts() -> LongTexts:
    """Texts that are too long to be stored in the item of their response."""
    return _texts()


@cache
def catalog_store() -> CatalogStore:
    """The definitions."""
    return _catalog()


@cache
def definitions() -> DefinitionSource:
    """Workflows with everything that they refer to."""
    return _catalog()


@cache
def start_run() -> StartRun:
    """Start a run."""
    return StartRun(
        definitions=_catalog(),
        runs=run_store(),
        executions=_executions(),
        retention=run_retention(),
        monotonic=time.monotonic,
    )


@cache
def rerun() -> Rerun:
    """Rerun a run."""
    return Rerun(runs=run_store(), start_run=start_run())


@cache
def change_run() -> ChangeRun:
    """Cancel, resume or delete a run."""
    return ChangeRun(runs=run_store(), executions=_executions(), definitions=_catalog())


@cache
def define() -> Define:
    """Create or replace a definition."""
    return Define(
        catalog=_catalog(),
        providers=frozenset(PROVIDERS),
        unsupported_settings=unsupported_settings,
        host_policy=host_policy(),
    )


@cache
def define_llm_instances() -> DefineLlmInstances:
    """Create or replace an LLM instance, with its API key."""
    return DefineLlmInstances(define=define(), api_keys=_api_keys())


@cache
def check_llm_instance() -> CheckLlmInstance:
    """Check an LLM instance."""
    return CheckLlmInstance(
        catalog=_catalog(),
        api_keys=_api_keys(),
        check=partial(check, transport=_http_transport()),
        monotonic=time.monotonic,
    )


@cache
def import_workflow_file() -> ImportWorkflowFile:
    """Import a workflow file."""
    return ImportWorkflowFile(catalog=_catalog(), unsupported_settings=unsupported_settings)


@cache
def execute_payload() -> ExecutePayload:
    """Execute one payload."""
    steps = DynamoStepStore(_dynamodb(), setting("RUNS_TABLE"), _texts())
    jitter = partial(random.uniform, 0.0)
    return ExecutePayload(
        steps=steps,
        llm=partial(complete, transport=_http_transport()),
        api_keys=_api_keys(),
        limiter=Limiter(store=_limits(), clock=now, jitter=jitter, sleep=time.sleep),
        stream_answer=StreamAnswer(steps=steps, connections=_connections(), clock=now, monotonic=time.monotonic),
        metrics=metrics(),
        clock=now,
        monotonic=time.monotonic,
        jitter=jitter,
    )


@cache
def follow_runs() -> FollowRuns:
    """Connect, subscribe, unsubscribe, disconnect."""
    histories = DynamoRunHistories(_dynamodb(), setting("RUNS_TABLE"))
    return FollowRuns(connections=_connections(), runs=histories, sender=_sender(PATIENT))


@cache
def handle_frame() -> HandleFrame:
    """Handle a WebSocket client's frame."""
    return HandleFrame(follow_runs=follow_runs(), sender=_sender(PATIENT), metrics=metrics(), clock=now)


@cache
def notify_subscribers() -> NotifySubscribers:
    """Send changes of runs to their subscribers."""
    return NotifySubscribers(
        connections=_connections(), sender=_sender(BRIEF), metrics=metrics(), clock=now, monotonic=time.monotonic
    )


@cache
def metrics() -> EmfMetrics:
    """The metrics of the current invocation."""
    return EmfMetrics(setting("POWERTOOLS_METRICS_NAMESPACE"), setting("POWERTOOLS_SERVICE_NAME"))


@cache
def web_sockets() -> WebSockets:
    """The connected WebSocket clients."""
    return ApiGatewayWebSockets(
        setting("WEBSOCKET_CALLBACK_URL"),
        boto3.Session().get_credentials(),
        _dynamodb().meta.region_name,
        EMULATOR_SEND_TIMEOUT_SECONDS if is_emulated() else SEND_TIMEOUT_SECONDS,
    )


def _sender(pauses: Sequence[float]) -> Sender:
    return RetryingSender(web_sockets=web_sockets(), sleep=time.sleep, pauses=pauses)


def _http_transport() -> HttpTransport:
    return HttpTransport(host_policy())


@cache
def _dynamodb() -> DynamoDBClient:
    return boto3.client("dynamodb", config=AWS_CONFIG)


@cache
def _catalog() -> DynamoCatalogStore:
    return DynamoCatalogStore(_dynamodb(), setting("CATALOG_TABLE"), _texts())


@cache
def _connections() -> DynamoConnections:
    return DynamoConnections(_dynamodb(), setting("CONNECTIONS_TABLE"))


@cache
def _limits() -> DynamoLimitStore:
    without_retries = Config(retries={"mode": "standard", "total_max_attempts": 1})
    writing = boto3.client("dynamodb", config=AWS_CONFIG.merge(without_retries))
    return DynamoLimitStore(_dynamodb(), writing, setting("RUNS_TABLE"))


@cache
def _executions() -> StepFunctionsExecutions:
    return StepFunctionsExecutions(boto3.client("stepfunctions", config=AWS_CONFIG), setting("STATE_MACHINE_ARN"))


@cache
def _api_keys() -> ApiKeys:
    secrets = SsmSecrets(lambda: boto3.client("ssm", config=AWS_CONFIG), setting("SECRETS_PREFIX"))
    return ApiKeys(secrets=secrets, base_urls=base_urls())


@cache
def _texts() -> S3Texts:
    return S3Texts(_s3, setting("TEXTS_BUCKET"))


@cache
def _s3() -> S3Client:
    return boto3.client("s3", config=AWS_CONFIG.merge(_for_signed_urls()))


def _for_signed_urls() -> Config:
    """Use signature version 4 and the host of the bucket's own region.

    By default, boto3 signs URLs for ``BUCKET.s3.amazonaws.com``. For a new bucket, that host redirects to another one,
    where the signature is not valid: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html.
    The emulator has one host for all buckets.
    """
    return Config(signature_version="s3v4", s3={"addressing_style": "auto" if is_emulated() else "virtual"})
