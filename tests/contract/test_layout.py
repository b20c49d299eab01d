"""The template, the folders, the state machine and the code agree with each other."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from baton.adapters.dynamodb import keys
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS
from baton.runtime import wiring
from local import check_state_machine
from tests.support import template
from tests.support.aws import KNOWN, Account

ASL = (template.ROOT / "functions" / "workflow.asl.json").read_text()

LAYER = template.ROOT / "layers" / "baton"
FUNCTIONS = sorted(path.parent.name for path in (template.ROOT / "functions").glob("*/app.py"))


def test_the_folders_in_functions_are_the_functions_of_the_template() -> None:
    assert sorted(template.function_names()) == FUNCTIONS


def test_every_state_is_reachable_and_every_next_exists() -> None:
    assert list(check_state_machine.transition_mistakes(json.loads(ASL))) == []


def test_every_placeholder_of_the_state_machine_has_one_substitution() -> None:
    (properties,) = template.resources("AWS::Serverless::StateMachine").values()
    assert set(re.findall(r"\$\{(\w+)\}", ASL)) == set(properties["DefinitionSubstitutions"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_exactly_the_environment_variables_that_its_code_reads(aws: Account, function: str) -> None:
    """The template's environment is enough to create what the function uses, and each variable is read."""
    aws.become(function)
    needed = needed_of_wiring(function)
    assert needed
    for name in needed:
        getattr(wiring, name)()
    given = {name for name in template.environment(function, KNOWN) if not name.startswith("POWERTOOLS_")}
    assert all(re.search(rf'setting\("{name}"\)', WIRING_AND_SETTINGS) for name in given)


WIRING_AND_SETTINGS = "".join((LAYER / "baton/runtime" / name).read_text() for name in ("wiring.py", "settings.py"))


def needed_of_wiring(function: str) -> set[str]:
    """The use cases and stores that a function's app, and what it imports of the API, use."""
    sources = [(template.ROOT / "functions" / function / "app.py").read_text()]
    found: set[Path] = set()
    for source in sources:
        new = imported_of_the_api(source) - found
        found |= new
        sources.extend(path.read_text() for path in new)
    used = {name for source in sources for name in re.findall(r"\bwiring\.(\w+)\(\)", source)}
    return {name for name in used if hasattr(getattr(wiring, name), "cache_info")}


def imported_of_the_api(source: str) -> set[Path]:
    """The files of ``baton.api`` that a module imports."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module]
    names = [name for node in imports for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names))]
    paths = [LAYER / f"{name.replace('.', '/')}.py" for name in names if name and name.startswith("baton.api")]
    return {path for path in paths if path.exists()}


def test_each_timeout_is_shorter_than_that_of_its_caller() -> None:
    """LLM request < Lambda < task < state machine: the inner one can still report why it failed."""
    machine = json.loads(ASL)
    function = template.function_properties("execute_payload")["Timeout"]
    task = machine["States"]["ExecutePayload"]["TimeoutSeconds"]
    assert MAX_TIMEOUT_SECONDS + 30 <= function < task < machine["TimeoutSeconds"]


@pytest.mark.parametrize(
    ("function", "packages"),
    [
        *[(name, ("jsonschema", "pydantic", "requests")) for name in ("execute_payload", "notify_subscribers")],
        ("websocket", ("jsonschema", "pydantic", "requests")),
        ("catalog_api", ("jsonschema", "requests")),
    ],
)
def test_a_function_imports_no_large_package_that_only_some_of_its_calls_need(
    function: str, packages: tuple[str, ...]
) -> None:
    """A cold start delays a user: the next payload of a run, or a page."""
    script = f"import app, sys; print([name for name in sys.modules if name.startswith({packages})])"
    imported = subprocess.run(
        [sys.executable, "-c", script],
        cwd=template.ROOT / "functions" / function,
        env={"PYTHONPATH": f"{template.ROOT / 'functions' / function}:{template.ROOT / 'layers' / 'baton'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout.strip() == "[]"


def test_every_requirement_of_the_layer_is_pinned_to_one_version() -> None:
    lines = (template.ROOT / "layers/dependencies/requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    assert requirements
    assert all(re.fullmatch(r"[\w.\[\]-]+==[\w.]+", line.split(" ")[0]) for line in requirements)


def test_texts_of_runs_expire_and_texts_of_definitions_do_not() -> None:
    (bucket,) = template.resources("AWS::S3::Bucket").values()
    assert [rule["Prefix"] for rule in bucket["LifecycleConfiguration"]["Rules"]] == ["runs/"]
    assert keys.run_texts("t", 1).startswith("runs/")
    assert not keys.definition_texts("t", "BLOCK", 1, 1).startswith("runs/")
