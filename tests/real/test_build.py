"""A build that can't be: what the person at the keyboard is told."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from local.problem import Problem
from local.real import build


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"needs a C and a C\+\+ compiler.*`apt-get install g\+\+`"):
        build.require_compilers()


def test_a_step_that_fails_tells_its_last_lines_and_where_the_rest_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAKING", tmp_path)
    monkeypatch.setattr(build, "LOG", tmp_path / "build.log")
    script = "import sys; print('[7/9] Building'); print(*range(100), sep='\\n'); sys.exit(1)"
    counts: list[tuple[int, int]] = []
    with pytest.raises(Problem) as failure:
        build.run([sys.executable, "-c", script], lambda done, total: counts.append((done, total)))
    assert str(tmp_path / "build.log") in str(failure.value)
    assert str(failure.value).endswith("\n97\n98\n99")
    assert "\n1\n" not in str(failure.value)
    assert counts == [(7, 9)]


def test_what_is_built_is_not_built_again() -> None:
    said = io.StringIO()
    build.build(Console(file=said))
    assert said.getvalue() == ""
