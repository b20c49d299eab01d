"""Fixtures that tests of more than one tier use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.aws import Account, account


@pytest.fixture
def aws() -> Iterator[Account]:
    """An AWS account in memory, as after a deploy of template.yaml; forgotten after the test."""
    with account() as made:
        yield made
