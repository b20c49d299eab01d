"""The check of the template by checkov."""

from __future__ import annotations

import pytest

from local.check_template import environment, unused_suppressions

TEMPLATE = "# checkov:skip=A:reason\n# checkov:skip=B:reason\n"


@pytest.mark.parametrize(("skipped", "unused"), [("Skipped checks: 2", 0), ("Skipped checks: 1", 1), ("", 2)])
def test_suppressions_that_checkov_did_not_need_are_counted(skipped: str, unused: int) -> None:
    assert unused_suppressions(f"Passed checks: 31, Failed checks: 0, {skipped}\n", TEMPLATE) == unused


def test_a_key_of_checkovs_platform_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BC_API_KEY", "k")
    monkeypatch.setenv("PRISMA_API_URL", "u")
    monkeypatch.setenv("OTHER", "kept")
    assert set(environment()) & {"BC_API_KEY", "PRISMA_API_URL", "OTHER"} == {"OTHER"}
