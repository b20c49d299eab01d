"""What the tests of use cases share."""

from __future__ import annotations

import pytest

from tests.support.use_cases import World


@pytest.fixture
def world() -> World:
    return World()
