"""What the tests of use cases share."""

from __future__ import annotations

import pytest

from tests.support.use_cases import FakeBaton


@pytest.fixture
def fake_baton() -> FakeBaton:
    return FakeBaton()
