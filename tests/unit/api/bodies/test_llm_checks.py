"""The result of a check, as clients receive it."""

from __future__ import annotations

from typing import get_args

import pytest

from baton.api.bodies.llm_checks import CAUSES, Cause, LlmCheckView, cause_of
from baton.domain.errors import LlmError, LlmRefused, LlmTimeout
from baton.usecases.llm.check_llm_instance import CheckResult


def test_every_error_of_a_call_has_a_cause() -> None:
    """A new class of errors needs an entry."""
    assert set(LlmError.__subclasses__()) == set(CAUSES)
    assert set(CAUSES.values()) == set(get_args(Cause))


def test_a_failure_below_a_listed_one_has_its_cause() -> None:
    class WrongKey(LlmRefused):
        pass

    assert cause_of(WrongKey("No.")) == "refused"


@pytest.mark.parametrize(("models", "listed"), [(["small-1"], True), (["large-1"], False), ([], False), (None, None)])
def test_an_endpoint_that_answers_is_connected_whether_it_lists_the_model_or_not(
    models: list[str] | None, listed: bool | None
) -> None:
    answer = LlmCheckView.of(CheckResult(model="small-1", models=models, duration_ms=7))
    assert answer.model_dump() == {
        "connected": True,
        "models": models,
        "model_listed": listed,
        "duration_ms": 7,
        "error": None,
        "cause": None,
    }


def test_a_failure_has_a_detail_for_people_and_a_code_for_programs() -> None:
    answer = LlmCheckView.of(CheckResult(model="small-1", duration_ms=200, failure=LlmTimeout("It took too long.")))
    assert answer.model_dump() == {
        "connected": False,
        "models": None,
        "model_listed": None,
        "duration_ms": 200,
        "error": "It took too long.",
        "cause": "timed-out",
    }
