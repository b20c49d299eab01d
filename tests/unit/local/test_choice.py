"""Which LLM `make run` uses, and what it prints where the model can't run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from local import choice, model, venv
from local.example import SIMULATED, LlmChoice
from local.problem import Problem

SERVER = {"LLM_BASE_URL": "http://localhost:11434/v1", "LLM_MODEL": "m"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"LLM": ""}, None),
        ({"LLM": "model"}, None),
        ({"LLM": "simulated"}, SIMULATED),
        (SERVER, LlmChoice(SERVER["LLM_BASE_URL"], "m")),
        (SERVER | {"LLM": "simulated", "LLM_API_KEY": "k"}, LlmChoice(SERVER["LLM_BASE_URL"], "m", "k")),
        (SERVER | {"LLM": "model"}, LlmChoice(SERVER["LLM_BASE_URL"], "m")),
    ],
)
def test_the_model_is_used_unless_the_environment_names_another_llm(
    environment: dict[str, str], expected: LlmChoice | None
) -> None:
    assert choice.llm_from(environment) == expected


@pytest.mark.parametrize("wrong", ["parrot", "Simulated", "http://localhost:11434/v1", " "])
def test_an_unknown_llm_is_rejected_with_the_allowed_values(wrong: str) -> None:
    with pytest.raises(Problem, match=r"LLM must be `model` .*or `simulated`, not .*LLM_BASE_URL"):
        choice.llm_from({"LLM": wrong} | SERVER)


@pytest.mark.parametrize("missing", SERVER)
def test_a_server_needs_both_url_and_model(missing: str) -> None:
    with pytest.raises(Problem, match="LLM_BASE_URL and LLM_MODEL go together"):
        choice.llm_from(SERVER | {missing: ""})


def test_where_the_model_cannot_run_the_simulated_llm_is_used_and_the_reason_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv, "NO_MODEL", tmp_path / "no-model")
    monkeypatch.delenv("LLM", raising=False)
    monkeypatch.delenv("LLM_BASE_URL", raising=False)
    monkeypatch.delenv("LLM_MODEL", raising=False)
    (tmp_path / "no-model").write_text("ERROR: No matching distribution found for xllamacpp")
    printed = io.StringIO()

    assert choice.chosen_llm(Console(file=printed, width=200)) == SIMULATED
    assert printed.getvalue() == (
        "The model can't run on this machine, so the simulated LLM answers: "
        "ERROR: No matching distribution found for xllamacpp\n"
    )


def test_a_model_that_cannot_be_installed_does_not_fail_the_virtual_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv, "NO_MODEL", tmp_path / "no-model")
    failing = [str(venv.PYTHON), "-c", "import sys; print('first'); sys.exit('no wheel fits')"]
    monkeypatch.setattr(venv, "model_steps", lambda: [failing])
    venv.install_model()
    assert (tmp_path / "no-model").read_text() == "no wheel fits"


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (64, 4)])
def test_the_model_leaves_one_core_free(cores: int, expected: int) -> None:
    assert model.threads(cores) == expected


@pytest.mark.parametrize(("port", "beside"), [(4566, 14566), (4711, 14711), (4712, 14712), (55535, 65535)])
def test_concurrent_stacks_use_different_model_ports(port: int, beside: int) -> None:
    assert model.port_beside(port) == beside


@pytest.mark.parametrize("port", [1024, 55536, 65535])
def test_the_model_port_is_always_valid(port: int) -> None:
    assert 1024 <= model.port_beside(port) <= 65535
