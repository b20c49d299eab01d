"""The LLM of the example, from environment variables, which `make run NAME=…` sets, too.

An API key on a command line would be visible in `ps`.
"""

import os
from collections.abc import Mapping

from rich.console import Console

from local.example import SIMULATED, LlmChoice
from local.model import MODEL, ModelServer, why_unavailable
from local.problem import Problem


def chosen_llm(console: Console) -> LlmChoice | None:
    """The LLM that the user has chosen; ``None`` for the model that the local stack serves itself.

    If that model can't run on this machine, the simulated LLM is chosen, and the reason is printed.
    """
    llm = llm_from(os.environ)
    if llm is None and (reason := why_unavailable()):
        console.print(f"The model can't run on this machine, so the simulated LLM answers: {reason}", markup=False)
        return SIMULATED
    return llm


def llm_of_server(server: ModelServer) -> LlmChoice:
    return LlmChoice(server.base_url, MODEL)


def llm_from(environment: Mapping[str, str]) -> LlmChoice | None:
    """The chosen LLM; LLM_BASE_URL takes precedence over LLM.

    :raises Problem: if the variables are invalid or contradictory.
    """
    llm, base_url, model, api_key = (
        environment.get(name, "") for name in ("LLM", "LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY")
    )
    if llm not in ("", "model", "simulated"):
        raise Problem(
            f"LLM must be `model` (a small real model on this machine, the default) or `simulated`, not {llm!r}. "
            "For another server, set LLM_BASE_URL and LLM_MODEL."
        )
    if bool(base_url) != bool(model):
        raise Problem("LLM_BASE_URL and LLM_MODEL go together: set both or neither.")
    if base_url:
        return LlmChoice(base_url, model, api_key)
    return SIMULATED if llm == "simulated" else None
