"""Which functions may call Amazon Bedrock, and with which actions: each call costs the account money."""

from __future__ import annotations

from typing import Any

from tests.support import template
from tests.support.aws import KNOWN


def policy() -> dict[str, Any]:
    (found,) = template.resources("AWS::IAM::Policy").values()
    return found


def test_without_the_parameter_no_function_may_call_bedrock() -> None:
    assert template.template()["Parameters"]["AllowBedrock"]["Default"] == "false"
    assert template.template()["Conditions"]["AllowsBedrock"] == {"Fn::Equals": [{"Ref": "AllowBedrock"}, "true"]}
    assert template.template()["Resources"]["BedrockPolicy"]["Condition"] == "AllowsBedrock"
    assert "bedrock:" not in str(template.resources("AWS::Serverless::Function"))


def test_with_the_parameter_the_functions_that_call_llms_may_only_invoke_models() -> None:
    assert policy()["Roles"] == [{"Ref": "CatalogApiFunctionRole"}, {"Ref": "ExecutePayloadFunctionRole"}]
    (statement,) = template.resolve(policy()["PolicyDocument"], KNOWN)["Statement"]
    # ConverseStream needs the second: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
    actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", actions)
    foundation, *in_account = statement["Resource"]
    assert foundation == "arn:aws:bedrock:*::foundation-model/*"
    own = f"arn:aws:bedrock:{KNOWN['AWS::Region']}:{KNOWN['AWS::AccountId']}:"
    assert all(resource.startswith(own) for resource in in_account)
