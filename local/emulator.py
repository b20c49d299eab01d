"""The emulator of AWS: a process that outlives the command that started it."""

import json
import os
import shutil
import sysconfig
from pathlib import Path

from local.background import BackgroundProcess
from local.network import LOOPBACK, is_in_use
from local.problem import Problem

PROGRAM = "emulator_process.py"
REGION = "local"  # not the name of a real region, so that none can be used
SECONDS_TO_START = 60
SECONDS_TO_SAVE = 30

# Variables that functions need to reach an LLM from this machine, in addition to those that every background process
# inherits.
NETWORK = {
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
}


RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
"""boto3 and what it needs: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included"""


class Emulator:
    """All of its files are in ``home``: its state, its log and the temporary files of its functions.

    State is saved only on a graceful stop: after a kill, the emulator starts with the state of its last start.
    """

    def __init__(self, home: Path, port: int, program: str = PROGRAM) -> None:
        self.port = port
        self._program = program
        self.url = f"http://{LOOPBACK}:{port}"
        self._home = home
        self._state = home / "state"
        self._objects = home / "s3"
        self._temporary = home / "tmp"
        self._runtime = self._temporary / "runtime"
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
        self._process.start(self._program, self.port, self._environment())
        try:
            self._process.wait_until_ready(f"{self.url}/_ministack/ready", SECONDS_TO_START)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Save the state and end, with the functions: a run whose payload is being executed fails."""
        if self.is_running():
            self._process.stop(SECONDS_TO_SAVE)
            shutil.rmtree(self._temporary, ignore_errors=True)

    def kill(self) -> None:
        """End without saving; the state on disk is that of the last start."""
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
            "RUNTIME_PACKAGES": str(self._runtime),
            "NO_PROXY": f"localhost,{LOOPBACK}",
            "no_proxy": f"localhost,{LOOPBACK}",
            # No other listeners, and no Docker daemon, whose containers the emulator would remove
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }

    def _prepare_state(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        link_runtime_packages(self._runtime)
        saved = self._state / "lambda.json"
        if saved.exists():
            forget_stream_positions(saved)
        else:
            shutil.rmtree(self._objects, ignore_errors=True)  # left by a start that did not save its state


def link_runtime_packages(folder: Path) -> None:
    """Create a folder with the packages that the Lambda runtime brings, which are not in a layer."""
    folder.mkdir()
    for name in RUNTIME_PACKAGES:
        (folder / name).symlink_to(Path(sysconfig.get_path("purelib"), name))


def require_free(port: int) -> None:
    if is_in_use(port):
        raise Problem(
            f"Port {port} is in use by another program: choose another one, such as `make up PORT={port + 100}`."
        )


def forget_stream_positions(saved: Path) -> None:
    """Remove the saved read positions: the emulator does not save the streams, which start again at position 0.

    With the old position, it would skip as many new records as it had read before.
    """
    state = json.loads(saved.read_text())
    state["payload"].pop("dynamodb_stream_positions", None)
    saved.write_text(json.dumps(state))
