"""One emulator of AWS, a process of its own that outlives the command that started it."""

import json
import os
import shutil
from pathlib import Path

from local.background import BackgroundProcess
from local.network import LOOPBACK, is_in_use
from local.problem import Problem

REGION = "local"  # a name of our own, so that no real region can be meant
SECONDS_TO_START = 60
SECONDS_TO_SAVE = 30

# What functions need to reach an LLM from this machine, beside what every process in the background takes over.
NETWORK = {
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
}


class Emulator:
    """All that it keeps lies in its home: state, log and its functions' temporary files.

    State is saved on a graceful stop, and only then: a killed emulator starts again from where it last started.
    """

    def __init__(self, home: Path, port: int) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self._home = home
        self._state = home / "state"
        self._objects = home / "s3"
        self._temporary = home / "tmp"
        self._process = BackgroundProcess(home, "emulator")
        self.log = self._process.log

    def is_running(self) -> bool:
        return self._process.is_running()

    def running_port(self) -> int:
        return self._process.port()

    def start(self) -> None:
        require_free(self.port)
        self._home.mkdir(parents=True, exist_ok=True)
        self._prepare_state()
        self._process.start("emulator_process.py", self.port, self._environment())
        try:
            self._process.wait_until_ready(f"{self.url}/_ministack/ready", SECONDS_TO_START)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Save and end. The functions end with it, so a run whose payload is being executed is recorded as failed."""
        if self.is_running():
            self._process.stop(SECONDS_TO_SAVE)
            shutil.rmtree(self._temporary, ignore_errors=True)

    def kill(self) -> None:
        """End at once; what is on disk stays as it was when the emulator started."""
        self._process.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name in NETWORK} | {
            "AUTH": "true",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._objects),
            "TMPDIR": str(self._temporary),
            "NO_PROXY": f"localhost,{LOOPBACK}",
            "no_proxy": f"localhost,{LOOPBACK}",
            # Other listeners that it would open, and a Docker daemon whose containers it would tidy up
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }

    def _prepare_state(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        saved = self._state / "lambda.json"
        if saved.exists():
            forget_stream_positions(saved)
        else:
            shutil.rmtree(self._objects, ignore_errors=True)  # of a start that never came to saving the rest


def require_free(port: int) -> None:
    if is_in_use(port):
        raise Problem(
            f"Port {port} is in use by another program: choose a free one, as in `make up PORT={port + 100}`."
        )


def forget_stream_positions(saved: Path) -> None:
    """The emulator saves how far each stream was read, but not the streams, which begin anew at position 0.

    With the old position it would skip as many new records as it had read before.
    """
    state = json.loads(saved.read_text())
    state["payload"].pop("dynamodb_stream_positions", None)
    saved.write_text(json.dumps(state))
