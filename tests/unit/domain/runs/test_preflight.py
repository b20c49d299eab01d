"""A preflight renders no more than its function can hold."""

from __future__ import annotations

import pytest

from baton.domain.errors import Invalid
from baton.domain.runs.preflight import Preflight, preflight
from tests.support.records import TENANT
from tests.support.use_cases import FakeBaton


def preflight_of(*templates: str, v: str) -> Preflight:
    fake_baton = FakeBaton()
    return preflight(fake_baton.catalog.read_workflow(TENANT, fake_baton.workflow(*templates)), {"v": v})


def test_a_variable_that_occurs_often_is_not_rendered_beyond_the_longest_prompt() -> None:
    (longest,) = preflight_of("{{v}}" * 50, v="x" * 200_000).payloads
    assert len(longest.prompt) == 10_000_000
    with pytest.raises(Invalid, match=r"payload 1 at position 0: .* have 10,000,001 bytes; at most 10,000,000"):
        preflight_of("{{v}}" * 50 + "!", v="x" * 200_000)


def test_the_prompts_of_all_payloads_have_a_maximum() -> None:
    half = "{{v}}" * 50
    assert len(preflight_of(half, half, v="é" * 100_000).payloads) == 2
    with pytest.raises(Invalid, match=r"have 20,000,001 bytes together; a preflight renders at most 20,000,000"):
        preflight_of(half, half, "!", v="é" * 100_000)
