"""What each function and the state machine may do, and on which resource: one table, compared exactly.

A change of a policy is a change of one line here, so that a wider one is never an accident.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import template
from tests.support.template import CHANGED, DEFAULTS, EMULATOR, Parameters

SECRETS = "arn:PARTITION:ssm:REGION:ACCOUNT:parameter/STACK/*"
LIVE = "arn:PARTITION:execute-api:REGION:ACCOUNT:WebSocketApi/live"
SEND, DISCONNECT = f"{LIVE}/POST/@connections/*", f"{LIVE}/DELETE/@connections/*"
EXECUTIONS = "arn:PARTITION:states:REGION:ACCOUNT:execution:StateMachine.Name:*"
LOG_DELIVERY = (
    "logs:CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries PutResourcePolicy"
    " DescribeResourcePolicies DescribeLogGroups"
)

type Statements = dict[str, tuple[str, str | list[str]]]

STATEMENTS: dict[str, Statements] = {
    "RunsApiFunction": {
        "StoreRuns": (
            "dynamodb:GetItem BatchGetItem Query PutItem UpdateItem DeleteItem BatchWriteItem",
            "RunsTable.Arn",
        ),
        "ListRuns": ("dynamodb:Query", "RunsTable.Arn/index/*"),
        "ReadCatalog": ("dynamodb:GetItem BatchGetItem", "CatalogTable.Arn"),
        "StoreTextsOfRuns": ("s3:GetObject PutObject DeleteObject", "TextsBucket.Arn/runs/*"),
        "ReadTextsOfCatalog": ("s3:GetObject", "TextsBucket.Arn/catalog/*"),
        "StartRuns": ("states:StartExecution", "StateMachine"),
        "StopRuns": ("states:StopExecution", EXECUTIONS),
    },
    "CatalogApiFunction": {
        "StoreCatalog": (
            "dynamodb:GetItem BatchGetItem Query PutItem UpdateItem DeleteItem",
            "CatalogTable.Arn",
        ),
        "StoreTextsOfCatalog": ("s3:GetObject PutObject DeleteObject", "TextsBucket.Arn/catalog/*"),
        "WriteSecrets": ("ssm:PutParameter DeleteParameter", SECRETS),
        "ReadSecrets": ("ssm:GetParameter", SECRETS),
    },
    "ExecutePayloadFunction": {
        "StoreResponses": ("dynamodb:BatchGetItem PutItem UpdateItem", "RunsTable.Arn"),
        "FindSubscribers": ("dynamodb:Query", "ConnectionsTable.Arn"),
        "ReadAndWriteTexts": ("s3:GetObject PutObject", "TextsBucket.Arn/runs/*"),
        "ReadSecrets": ("ssm:GetParameter", SECRETS),
    },
    "NotifySubscribersFunction": {
        "ReadStream": ("dynamodb:DescribeStream GetRecords GetShardIterator", "RunsTable.StreamArn"),
        "ListStreams": ("dynamodb:ListStreams", "*"),
        "FindAndDeleteConnections": ("dynamodb:GetItem Query BatchWriteItem", "ConnectionsTable.Arn"),
        "SendMessages": ("execute-api:ManageConnections", [SEND, DISCONNECT]),
        "QueueFailures": ("sqs:SendMessage", "NotifyFailures.Arn"),
    },
    "WebSocketFunction": {
        "StoreConnections": ("dynamodb:GetItem UpdateItem DeleteItem BatchWriteItem", "ConnectionsTable.Arn"),
        "ReadRuns": ("dynamodb:GetItem Query", "RunsTable.Arn"),
        "SendMessages": ("execute-api:ManageConnections", [SEND, DISCONNECT]),
    },
    "StateMachine": {
        "MarkRuns": ("dynamodb:UpdateItem", "RunsTable.Arn"),
        "ExecutePayloads": ("lambda:InvokeFunction", "ExecutePayloadFunction.Arn:*"),
        "DeliverLogs": (LOG_DELIVERY, "*"),
    },
}
"""Of each resource with policies: the actions of each statement, and the resource that they apply to."""

ONLY_FOR_ANY_RESOURCE = {"ListStreams", "DeliverLogs"}
"""Statements whose actions support only the resource ``*``.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html and
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""


def with_policies(parameters: Parameters) -> dict[str, Any]:
    deployed = template.deployed(parameters)
    return {name: each["Properties"]["Policies"] for name, each in deployed.items() if "Policies" in each["Properties"]}


def stated(policy: dict[str, Any]) -> Statements:
    """A policy's statements as in the table; each must allow, and have no other element."""
    assert (policy["Version"], set(policy)) == ("2012-10-17", {"Version", "Statement"})
    found: Statements = {}
    for statement in policy["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert statement["Sid"] not in found
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        (service,) = {action.partition(":")[0] for action in actions}
        names = " ".join(action.partition(":")[2] for action in actions)
        found[statement["Sid"]] = (f"{service}:{names}", statement["Resource"])
    return found


@pytest.mark.parametrize("parameters", [DEFAULTS, CHANGED, EMULATOR], ids=["default", "changed", "emulator"])
def test_each_policy_has_exactly_these_statements(parameters: Parameters) -> None:
    policies = with_policies(parameters)
    assert {name: [stated(policy) for policy in each] for name, each in policies.items()} == {
        name: [statements] for name, statements in STATEMENTS.items()
    }


def test_only_actions_that_support_no_other_resource_apply_to_all() -> None:
    everywhere = {sid for each in STATEMENTS.values() for sid, (_, resource) in each.items() if resource == "*"}
    assert everywhere == ONLY_FOR_ANY_RESOURCE


# --- Bedrock: each call costs the account money ----------------------------------------------------------------------


def test_without_the_parameter_no_function_may_call_bedrock() -> None:
    assert "BedrockPolicy" not in template.deployed(DEFAULTS)
    assert "bedrock:" not in str(template.deployed({"AllowBedrock": "false"}))


def test_with_the_parameter_the_functions_that_call_llms_may_only_invoke_models() -> None:
    own = "arn:PARTITION:bedrock:REGION:ACCOUNT:"
    assert template.deployed({"AllowBedrock": "true"})["BedrockPolicy"] == {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "CallBedrock",
            "Roles": ["CatalogApiFunctionRole", "ExecutePayloadFunctionRole"],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "CallModels",
                        "Effect": "Allow",
                        # ConverseStream needs the second:
                        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
                        "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
                        "Resource": [
                            "arn:PARTITION:bedrock:*::foundation-model/*",
                            f"{own}inference-profile/*",
                            f"{own}application-inference-profile/*",
                            f"{own}provisioned-model/*",
                            f"{own}custom-model-deployment/*",
                        ],
                    }
                ],
            },
        },
    }


# --- Who may call a function or read a bucket ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RunsApi", "CatalogApi"])
def test_only_the_http_api_may_invoke_its_functions(name: str) -> None:
    assert template.deployed(DEFAULTS)[f"{name}Permission"]["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": f"{name}Function.Alias",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:PARTITION:execute-api:REGION:ACCOUNT:HttpApi/*",
    }


def test_the_bucket_accepts_only_tls_on_aws() -> None:
    assert "TextsBucketPolicy" not in template.deployed(EMULATOR)
    assert template.deployed(DEFAULTS)["TextsBucketPolicy"]["Properties"] == {
        "Bucket": "TextsBucket",
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": ["TextsBucket.Arn", "TextsBucket.Arn/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        },
    }
