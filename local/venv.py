"""Makes .venv, and makes it anew when what it was made from has changed.

The one module that runs before there is a virtual environment: it needs nothing but the standard library, of whatever
Python 3 the machine has. The environment itself is always Python 3.13, as the functions are.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-from"
NO_MODEL = VENV / "no-model"
PIP = "pip==26.3"
INSTALL = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
REQUIREMENTS = ROOT / "layers" / "dependencies" / "requirements.txt"
CONSTRAINTS = ROOT / "local" / "constraints.txt"
INGREDIENTS = (ROOT / "pyproject.toml", REQUIREMENTS, CONSTRAINTS, Path(__file__))


def main() -> int:
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in INGREDIENTS)).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == recipe and is_python_313(PYTHON):
        return 0
    python = next((candidate for candidate in candidates() if is_python_313(candidate)), None)
    if python is None:
        say("Baton needs Python 3.13: install it, so that `python3.13` is on your PATH or pyenv or uv has it.")
        return 1
    say(f"Making .venv with {python}. This takes a minute or two, once.")
    for step in steps(python):
        if (output := output_of_failure(step)) is not None:
            say(output)
            say(f"The virtual environment could not be made. This step failed, as shown above: {' '.join(step)}")
            return 1
    install_model()
    STAMP.write_text(recipe)  # last, so that an interrupted attempt is made again
    return 0


def candidates() -> Iterator[Path]:
    """Where a Python 3.13 may be, the likeliest first; not every path exists or works (a pyenv shim may do neither)."""
    yield Path(sys.executable)
    yield from (Path(folder) / "python3.13" for folder in os.get_exec_path())
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted(pyenv.glob("versions/3.13*/bin/python3.13"), reverse=True)
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python")).expanduser()
    yield from sorted(uv.glob("cpython-3.13*/bin/python3.13"), reverse=True)


def is_python_313(python: Path) -> bool:
    ask = [str(python), "-c", "import sys; print(sys.version_info[:2] == (3, 13))"]
    try:
        answer = subprocess.run(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == b"True"


def steps(python: Path) -> list[list[str]]:
    return [
        [str(python), "-m", "venv", "--clear", str(VENV)],
        [*INSTALL, PIP],
        [*INSTALL, "--group", "dev", "--requirement", str(REQUIREMENTS), "--constraint", str(CONSTRAINTS)],
        [str(PYTHON), "-m", "pip", "check"],
    ]


def install_model() -> None:
    """What the local stack can do without: all else works where no wheel fits, and NO_MODEL says why there is none."""
    for step in model_steps():
        if (output := output_of_failure(step)) is not None:
            NO_MODEL.write_text((output.strip().splitlines() or ["no reason was given"])[-1])
            return


def model_steps() -> list[list[str]]:
    """Without dependencies: of the package with the weights, only the weights are used. Nothing is compiled."""
    return [
        [*INSTALL, "--no-deps", "--only-binary", ":all:", "--group", "model"],
        [str(PYTHON), "-c", "import xllamacpp"],
    ]


def output_of_failure(step: list[str]) -> str | None:
    done = subprocess.run(step, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
