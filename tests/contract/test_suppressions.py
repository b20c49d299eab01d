"""Findings of the linters are suppressed one by one, each with its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support import template
from tests.support.template import ROOT

LINES = (ROOT / "template.yaml").read_text().splitlines()
CHECKOV = re.compile(r"    # checkov:skip=(CKV_AWS_\d+):(\S.*)")
CFN_LINT = re.compile(r"    Metadata: \{ cfn-lint: \{ config: \{ ignore_checks: \[[EWI]\d{4}\] \} \} \} # (\S.*)")
CONFIGURATION = (".checkov.yaml", ".checkov.yml", ".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml")
NAMES_OF_LINTERS = re.compile(r"checkov:skip|bridgecrew:skip|ignore_checks")

SUPPRESSIONS = [line for line in LINES if NAMES_OF_LINTERS.search(line)]


def reason(line: str) -> str:
    if found := CHECKOV.fullmatch(line):
        return found[2]
    found = CFN_LINT.fullmatch(line)
    assert found, line
    return found[1]


def resource_of(index: int) -> str | None:
    """The resource in whose lines a line is."""
    for line in reversed(LINES[:index]):
        if not line.startswith("    ") and line.strip():
            found = re.fullmatch(r"  (\w+):", line)
            return found[1] if found else None
    return None


@pytest.mark.parametrize("line", SUPPRESSIONS)
def test_each_suppression_is_of_one_check_with_a_reason(line: str) -> None:
    assert len(reason(line).split()) >= 5


def test_each_suppression_belongs_to_one_resource_and_is_written_for_it_only_one_time() -> None:
    found = [(resource_of(index), line.split(":")[1]) for index, line in enumerate(LINES) if line in SUPPRESSIONS]
    assert {name for name, _ in found} <= set(template.template()["Resources"])
    assert len(found) == len(set(found)) == len(SUPPRESSIONS)


def test_nothing_is_suppressed_for_the_whole_template() -> None:
    whole: dict[str, Any] = template.template()
    assert "Metadata" not in whole
    assert not [name for name in CONFIGURATION if (ROOT / name).exists()]
    assert "--skip-check" not in (ROOT / "local" / "check_template.py").read_text()
    assert "cfn-lint template.yaml\n" in (ROOT / "Makefile").read_text()
