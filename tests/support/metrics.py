"""Every metric that alarms and the dashboard may name: those of AWS with their source, and Baton's own."""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACE = "Baton/STACK"
"""Each stack has its own."""

type Dimensions = frozenset[str]
"""Names of dimensions; CloudWatch finds a metric only by all its dimensions."""

type Name = tuple[str, str]
"""A namespace and a metric's name."""


@dataclass(frozen=True)
class Emitted:
    """A metric that a function of Baton emits; each function is the value of the dimension ``service``."""

    unit: str
    services: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    """Beside ``service``; never the id of a run, tenant, workflow or connection."""

    @property
    def all_dimensions(self) -> Dimensions:
        return frozenset({"service", *self.dimensions})


EXECUTE_PAYLOAD = ("execute_payload",)
NOTIFY_SUBSCRIBERS = ("notify_subscribers",)
CLIENTS = ("notify_subscribers", "websocket")
FUNCTIONS = ("runs_api", "catalog_api", "execute_payload", "notify_subscribers", "websocket")

EMITTED: dict[str, Emitted] = {
    "RunsEnded": Emitted("Count", NOTIFY_SUBSCRIBERS, ("status",)),
    "PayloadDuration": Emitted("Milliseconds", EXECUTE_PAYLOAD),
    "LlmCalls": Emitted("Count", EXECUTE_PAYLOAD, ("provider", "outcome", "cause")),
    "LlmDuration": Emitted("Milliseconds", EXECUTE_PAYLOAD, ("provider",)),
    "InputTokens": Emitted("Count", EXECUTE_PAYLOAD, ("provider",)),
    "OutputTokens": Emitted("Count", EXECUTE_PAYLOAD, ("provider",)),
    "Cost": Emitted("None", EXECUTE_PAYLOAD, ("provider",)),
    "Waits": Emitted("Count", EXECUTE_PAYLOAD, ("cause",)),
    "WaitSeconds": Emitted("Seconds", EXECUTE_PAYLOAD, ("cause",)),
    "MessageLag": Emitted("Milliseconds", NOTIFY_SUBSCRIBERS),
    "ConnectionsGone": Emitted("Count", CLIENTS),
    "ConnectionsDropped": Emitted("Count", CLIENTS),
    "ColdStart": Emitted("Count", FUNCTIONS),
}


def _of(namespace: str, names: tuple[str, ...], *dimensions: str) -> dict[Name, set[Dimensions]]:
    return {(namespace, name): {frozenset(dimensions)} for name in names}


PROVIDED: dict[Name, set[Dimensions]] = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    **_of(
        "AWS/Lambda",
        ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge"),
        "FunctionName",
    ),
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
    **_of("AWS/Lambda", ("ClaimedAccountConcurrency",)),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Service-Quota-Integration.html
    **_of("AWS/Usage", ("ResourceCount",), "Type", "Resource", "Service", "Class"),
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    **_of(
        "AWS/States",
        (
            "ExecutionsStarted",
            "ExecutionsSucceeded",
            "ExecutionsFailed",
            "ExecutionsTimedOut",
            "ExecutionsAborted",
            "ExecutionThrottled",
        ),
        "StateMachineArn",
    ),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
    **_of(
        "AWS/ApiGateway",
        (
            *("4xx", "5xx", "Count", "Latency"),
            *("ConnectCount", "MessageCount", "IntegrationError", "ClientError", "ExecutionError"),
        ),
        "ApiId",
    ),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    ("AWS/DynamoDB", "ReadThrottleEvents"): {
        frozenset({"TableName"}),
        frozenset({"TableName", "GlobalSecondaryIndexName"}),
    },
    ("AWS/DynamoDB", "WriteThrottleEvents"): {
        frozenset({"TableName"}),
        frozenset({"TableName", "GlobalSecondaryIndexName"}),
    },
    **_of("AWS/DynamoDB", ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"), "TableName"),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    **_of("AWS/SQS", ("ApproximateNumberOfMessagesVisible",), "QueueName"),
}
"""The metrics of AWS that Baton uses, with each set of dimensions that they have."""


def exists(namespace: str, name: str, dimensions: Dimensions) -> bool:
    if namespace == NAMESPACE:
        return name in EMITTED and EMITTED[name].all_dimensions == dimensions
    return dimensions in PROVIDED.get((namespace, name), set())
