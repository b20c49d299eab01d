"""Fixtures that tests of more than one tier use, and how tests are spread over processes."""

from __future__ import annotations

import compileall
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from local import model
from tests.support import template
from tests.support.aws import Account, account

LAYER = template.ROOT / "layers" / "baton"
E2E = "tests/e2e"
OWN_STACK = ("tests/e2e/test_limits.py", "tests/e2e/test_restart.py", "tests/e2e/test_updates.py")
"""These mostly wait, for a minute or more: they run in parallel with the others of their tier, on their own stack."""

LONGEST_FIRST = ("tests/e2e/test_limits.py", "tests/e2e", "tests/integration", "tests/contract", "tests")

# For functions that a test calls without an account, which would have the environment of the template.
os.environ |= {"POWERTOOLS_METRICS_NAMESPACE": "Baton", "POWERTOOLS_SERVICE_NAME": "tests"}

# Both limit the wall-clock time of examples, which depends on the other processes of the machine and not on Baton.
settings.register_profile("shared cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared cores")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package before any process imports it: ``sam build`` copies its folder, and fails if a file that
    Python writes there is renamed meanwhile."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(LAYER, quiet=1)


@pytest.fixture
def aws() -> Iterator[Account]:
    """An AWS account in memory, as after a deploy of template.yaml; removed after the test."""
    with account() as made:
        yield made


class ByFunction(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """All cases of a test function run in one process; so do the tests of tests/e2e that share one stack."""

    def _split_scope(self, nodeid: str) -> str:
        shares_stack = nodeid.startswith(E2E) and not nodeid.startswith(OWN_STACK)
        return E2E if shares_stack else nodeid.partition("[")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Processes run tests in this order, so that no long test runs alone at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: next(n for n, start in enumerate(LONGEST_FIRST) if item.nodeid.startswith(start)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return ByFunction(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """For folders one process per core, and one more for tests/e2e, which mostly wait. For files and tests none."""
    folders = _arguments(config)
    if config.option.capture == "no" or not all(folder.is_dir() for folder in folders):
        return 0
    return (os.process_cpu_count() or 1) + _includes_e2e(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    if _includes_e2e(config) and (reason := model.why_unavailable()):
        return f"tests/e2e/test_model_*.py are left out, since the model can't run on this machine: {reason}"
    return None


def _includes_e2e(config: pytest.Config) -> bool:
    e2e = config.rootpath / E2E
    return any(e2e.is_relative_to(path) or path.is_relative_to(e2e) for path in _arguments(config))


def _arguments(config: pytest.Config) -> list[Path]:
    """The files and folders in pytest's arguments."""
    return [Path(argument.partition("::")[0]).resolve() for argument in config.args]
