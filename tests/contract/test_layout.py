"""What template, folders, state machine and code owe to each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from baton.adapters.dynamodb import keys
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS
from baton.runtime import wiring
from local import check_state_machine
from tests.support import template
from tests.support.aws import KNOWN, Account

ASL = (template.ROOT / "functions" / "workflow.asl.json").read_text()

NEEDED: dict[str, list[Callable[[], object]]] = {
    "runs_api": [wiring.start_run, wiring.change_run, wiring.run_store],
    "catalog_api": [wiring.define_llm_instances, wiring.catalog_store, wiring.check_llm_instance],
    "execute_payload": [wiring.execute_payload],
    "notify_subscribers": [wiring.notify_subscribers],
    "websocket": [wiring.follow_runs, wiring.handle_frame],
}
"""What each function takes from the wiring."""


def test_every_folder_in_functions_is_one_function_of_the_template_and_the_other_way_round() -> None:
    folders = sorted(path.parent.name for path in (template.ROOT / "functions").glob("*/app.py"))
    assert sorted(template.function_names()) == folders == sorted(NEEDED)


def test_every_state_is_reached_and_every_next_exists() -> None:
    assert list(check_state_machine.transition_mistakes(json.loads(ASL))) == []


def test_every_blank_of_the_state_machine_has_one_substitution() -> None:
    (properties,) = template.resources("AWS::Serverless::StateMachine").values()
    assert set(re.findall(r"\$\{(\w+)\}", ASL)) == set(properties["DefinitionSubstitutions"])


@pytest.mark.parametrize("function", NEEDED)
def test_each_function_is_given_the_settings_that_its_code_asks_for(aws: Account, function: str) -> None:
    """Alone with what the template gives it, all that the function uses can be made; and what it is given, it uses."""
    aws.become(function)
    for make in NEEDED[function]:
        make()
    given = {name for name in template.environment(function, KNOWN) if not name.startswith("POWERTOOLS_")}
    assert all(re.search(rf'setting\("{name}"\)', WIRING_AND_SETTINGS) for name in given)


WIRING_AND_SETTINGS = "".join(
    (template.ROOT / "layers/baton/baton/runtime" / name).read_text() for name in ("wiring.py", "settings.py")
)


def test_time_outs_nest() -> None:
    """LLM request < Lambda < task < state machine: whoever is inside can still say why it failed."""
    machine = json.loads(ASL)
    function = template.function_properties("execute_payload")["Timeout"]
    task = machine["States"]["ExecutePayload"]["TimeoutSeconds"]
    assert MAX_TIMEOUT_SECONDS + 30 <= function < task < machine["TimeoutSeconds"]


@pytest.mark.parametrize(
    ("function", "weight"),
    [
        *[(name, ("jsonschema", "pydantic", "requests")) for name in ("execute_payload", "notify_subscribers")],
        ("websocket", ("jsonschema", "pydantic", "requests")),
        ("catalog_api", ("jsonschema", "requests")),
    ],
)
def test_a_function_imports_no_weight_that_only_some_of_its_calls_need(function: str, weight: tuple[str, ...]) -> None:
    """Somebody is watching: a run's next payload, or a page."""
    script = f"import app, sys; print([name for name in sys.modules if name.startswith({weight})])"
    heavy = subprocess.run(
        [sys.executable, "-c", script],
        cwd=template.ROOT / "functions" / function,
        env={"PYTHONPATH": f"{template.ROOT / 'functions' / function}:{template.ROOT / 'layers' / 'baton'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert heavy.stdout.strip() == "[]"


def test_nothing_is_pinned_loosely_that_runs_on_aws() -> None:
    lines = (template.ROOT / "layers/dependencies/requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    assert requirements
    assert all(re.fullmatch(r"[\w.\[\]-]+==[\w.]+", line.split(" ")[0]) for line in requirements)


def test_only_the_texts_of_runs_expire() -> None:
    (bucket,) = template.resources("AWS::S3::Bucket").values()
    assert [rule["Prefix"] for rule in bucket["LifecycleConfiguration"]["Rules"]] == ["runs/"]
    assert keys.run_texts("t", 1).startswith("runs/")
    assert not keys.definition_texts("t", "BLOCK", 1, 1).startswith("runs/")
