"""Each function's own environment and objects, although all functions run in one process.

On AWS every function is a process of its own, with the variables of the template. With one environment for all, a wrong
value of one function would be hidden by the right one of another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from baton.runtime import settings, wiring
from tests.support import template

if TYPE_CHECKING:
    import pytest

NO_FUNCTION = "no function"

_running: ContextVar[str] = ContextVar("_running", default=NO_FUNCTION)
"""The function whose code runs, by its folder; threads of a state machine have their own."""


@contextmanager
def running(function: str) -> Iterator[None]:
    """Within it, the code has the environment and the objects of a function."""
    token = _running.set(function)
    try:
        yield
    finally:
        _running.reset(token)


def in_function[T](function: str, call: Callable[[], T]) -> T:
    """The result of a call within a function, such as an object of its wiring."""
    with running(function):
        return call()


class Environment:
    """Replaces ``os.environ`` in the settings: variables of the template, and of the process for all other names."""

    def __init__(self, known: Mapping[str, str], parameters: template.Parameters) -> None:
        self._variables: dict[str, dict[str, str]] = {NO_FUNCTION: {}} | {
            name: template.environment(name, known, parameters) for name in template.function_names()
        }
        self._names = {name for variables in self._variables.values() for name in variables}

    def get(self, name: str) -> str | None:
        return self._variables[_running.get()].get(name) if name in self._names else os.environ.get(name)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


def install(monkeypatch: pytest.MonkeyPatch, known: Mapping[str, str], parameters: template.Parameters) -> None:
    """Give each function the environment of a deployment with these parameters, and objects of its own."""
    monkeypatch.setattr(settings, "os", SimpleNamespace(environ=Environment(known, parameters)))
    for name, entry in list(vars(wiring).items()):
        if (make := getattr(entry, "__wrapped__", None)) and make.__module__ == wiring.__name__:
            monkeypatch.setattr(wiring, name, _per_function(make))


def _per_function(make: Callable[[], Any]) -> Callable[[], Any]:
    """As ``functools.cache``, for each function."""
    made: dict[str, Any] = {}

    @wraps(make)
    def found() -> Any:
        function = _running.get()
        if function not in made:
            made[function] = make()
        return made[function]

    return found
