"""The concurrent executions that the template reserves."""

from __future__ import annotations

from tests.support import template


def test_parallel_payloads_are_reserved_if_they_are_bounded() -> None:
    assert template.template()["Parameters"]["MaxParallelPayloads"] == {
        "Type": "Number",
        "Default": 0,
        "MinValue": 0,
        "Description": template.template()["Parameters"]["MaxParallelPayloads"]["Description"],
    }
    assert template.template()["Conditions"]["LimitsParallelPayloads"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "MaxParallelPayloads"}, "0"]}]
    }
    reserved = {
        name: template.function_properties(name).get("ReservedConcurrentExecutions")
        for name in template.function_names()
    }
    assert reserved == {
        **dict.fromkeys(template.function_names()),
        "execute_payload": {
            "Fn::If": ["LimitsParallelPayloads", {"Ref": "MaxParallelPayloads"}, {"Ref": "AWS::NoValue"}]
        },
    }
