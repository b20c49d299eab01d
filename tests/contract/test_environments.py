"""samconfig.toml: one table per environment, and the same template parameters for the build and the deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from samcli.lib.config.samconfig import SamConfig  # type: ignore[import-untyped]
from samcli.lib.providers.sam_function_provider import SamFunctionProvider  # type: ignore[import-untyped]
from samcli.lib.providers.sam_layer_provider import SamLayerProvider  # type: ignore[import-untyped]
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider  # type: ignore[import-untyped]

from local import deployment
from tests.support import template

ON_AWS = ["dev", "staging", "prod"]
on_aws = pytest.mark.parametrize("environment", ON_AWS)


def options(environment: str, command: str) -> dict[str, Any]:
    """What a command of sam reads from the file."""
    return dict(SamConfig(Path(template.ROOT)).get_all([command], "parameters", environment))


def parameters(environment: str, command: str) -> dict[str, str]:
    given = options(environment, command).get("parameter_overrides", "").split()
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def test_there_is_no_default_environment() -> None:
    """``sam deploy`` without ``--config-env`` has no stack name, and fails."""
    assert set(SamConfig(Path(template.ROOT)).document) - {"version"} == {*ON_AWS, "local"}


@on_aws
def test_build_and_deployment_have_the_same_parameters(environment: str) -> None:
    """With another architecture, the functions would get binaries that they cannot load."""
    assert parameters(environment, "build") == parameters(environment, "deploy")
    assert "Architecture" in parameters(environment, "build")


@on_aws
def test_every_parameter_exists_and_has_an_allowed_value(environment: str) -> None:
    known = template.template()["Parameters"]
    for name, value in parameters(environment, "deploy").items():
        assert value in map(str, known[name].get("AllowedValues", [value])), name


@on_aws
def test_each_environment_has_a_stack_with_its_name_as_a_tag_and_no_account_or_region(environment: str) -> None:
    given = options(environment, "deploy")
    assert given["stack_name"] == given["s3_prefix"] == f"baton-{environment}"
    assert given["tags"] == f"application=baton environment={environment}"
    assert (given["capabilities"], given["resolve_s3"]) == ("CAPABILITY_IAM", True)
    assert {"region", "profile", "s3_bucket", "role_arn"} & set(given) == set()


def test_staging_and_prod_differ_only_in_names() -> None:
    """What is tested in staging is what is deployed to prod."""
    assert parameters("staging", "deploy") == parameters("prod", "deploy")


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_changes_of_staging_and_prod_are_confirmed_and_shift_gradually(environment: str) -> None:
    assert options(environment, "deploy")["confirm_changeset"] is True
    assert parameters(environment, "deploy")["ShiftTrafficGradually"] == "true"


def test_the_local_stack_is_built_and_deployed_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator: Any = type("Emulator", (), {"port": 4566})
    for machine, expected in (("aarch64", "arm64"), ("AMD64", "x86_64")):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        wanted = f"Architecture={expected}"
        assert wanted in deployment.build_options()
        assert wanted in deployment.deploy_options(emulator)
    assert "parameter_overrides" not in options("local", "build") | options("local", "deploy")


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")  # within sam
@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_sam_builds_layers_and_functions_for_the_architecture_of_the_parameters(architecture: str) -> None:
    overrides = {"Architecture": architecture}
    stacks, _ = SamLocalStackProvider.get_stacks(str(template.ROOT / "template.yaml"), parameter_overrides=overrides)
    assert {layer.build_architecture for layer in SamLayerProvider(stacks).get_all()} == {architecture}
    assert {tuple(each.architectures or ()) for each in SamFunctionProvider(stacks).get_all()} == {(architecture,)}
