"""Part of make lint: checks that every state is reachable, and that the template has all substitutions.

AWS reports these mistakes on deployment, and some only when a run reaches the state.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = ROOT / "functions" / "workflow.asl.json"
TEMPLATE = ROOT / "template.yaml"

type State = dict[str, Any]


def main() -> int:
    definition = DEFINITION.read_text()
    found = [*transition_mistakes(json.loads(definition)), *substitution_mistakes(definition, substitutions(TEMPLATE))]
    for mistake in found:
        sys.stderr.write(f"{DEFINITION.relative_to(ROOT)}: {mistake}\n")
    if not found:
        sys.stdout.write("Every state is reachable, every Next exists and every ${} has its substitution.\n")
    return 1 if found else 0


def transition_mistakes(machine: dict[str, Any]) -> Iterator[str]:
    states: dict[str, State] = machine["States"]
    for name, state in states.items():
        unknown = sorted(set(next_states(state)) - states.keys())
        yield from (f"{name} refers to {target}, which does not exist." for target in unknown)
        if state["Type"] not in {"Succeed", "Fail"} and not state.get("End") and not set(next_states(state)):
            yield f"{name} has neither Next nor End."
    yield from (f"{name} is not reachable." for name in sorted(states.keys() - reached(machine["StartAt"], states)))


def next_states(state: State) -> Iterator[str]:
    for step in (state, *state.get("Choices", []), *state.get("Catch", [])):
        yield from (step[key] for key in ("Next", "Default") if key in step)


def reached(start: str, states: dict[str, State]) -> set[str]:
    seen: set[str] = set()
    pending = {start}
    while pending:
        name = pending.pop()
        seen.add(name)
        pending |= set(next_states(states.get(name, {}))) - seen
    return seen


def substitution_mistakes(definition: str, declared: set[str]) -> Iterator[str]:
    wanted = set(re.findall(r"\$\{(\w+)\}", definition))
    yield from (f"${{{name}}} has no substitution in the template." for name in sorted(wanted - declared))
    yield from (
        f"${{{name}}} has a substitution in the template, but does not occur." for name in sorted(declared - wanted)
    )


def substitutions(template: Path) -> set[str]:
    resources = yaml.load(template.read_text(), Loader=LoaderIgnoringTags)["Resources"]  # noqa: S506 - a SafeLoader
    machines = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Serverless::StateMachine"]
    return {name for machine in machines for name in machine["DefinitionSubstitutions"]}


class LoaderIgnoringTags(yaml.SafeLoader):
    """Reads a template and ignores tags such as !Ref and !Sub."""


LoaderIgnoringTags.add_multi_constructor("!", lambda _loader, _tag, _node: None)

if __name__ == "__main__":
    sys.exit(main())
