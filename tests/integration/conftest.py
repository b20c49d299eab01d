"""What the tests on moto share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment, deployment


@pytest.fixture
def baton() -> Iterator[Deployment]:
    """Baton, deployed in memory."""
    with deployment() as deployed:
        yield deployed
