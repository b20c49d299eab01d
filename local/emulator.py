"""The emulator of AWS: a process that outlives the command that started it."""

import json
import os
import shutil
import sysconfig
from http import HTTPStatus
from pathlib import Path

from local.background import BackgroundProcess
from local.network import LOOPBACK, is_in_use, post
from local.problem import Problem
from local.saved_data import SAVE_PATH, SavedData

PROGRAM = "emulator_process.py"
REGION = "local"  # not the name of a real region, so that none can be used
SECONDS_TO_START = 60
SECONDS_TO_SAVE = 120

# Variables that functions need to reach an LLM from this machine, in addition to those that every background process
# inherits.
NETWORK = {
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
}


RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
"""boto3 and what it needs: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included"""


class Emulator:
    """All of its files are in ``home``: its data, its log and the temporary files of its functions.

    The data is saved every minute, on request and at the end: after a kill, the next start has that of the last save.
    """

    def __init__(self, home: Path, port: int, program: str = PROGRAM) -> None:
        self.port = port
        self._program = program
        self.url = f"http://{LOOPBACK}:{port}"
        self._home = home
        self._data = SavedData(home)
        self._ids = home / "ids.json"
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

    def save(self) -> None:
        """Save the data now.

        :raises Problem: if it can't be saved; the emulator still runs.
        """
        port = self.running_port()  # `make down` does not know the one that was chosen for `make up`
        status, body = post(f"http://{LOOPBACK}:{port}{SAVE_PATH}", SECONDS_TO_SAVE)
        if status in {None, HTTPStatus.INSUFFICIENT_STORAGE}:  # an earlier version has another status
            reason = json.loads(body)["message"] if body else "no response"
            raise Problem(
                f"The data of the local stack can't be saved to {self._data.folder.parent}: {reason}. "
                f"What was stored {self._since_last_save()} is not saved. See its log: {self.log}"
            )

    def stop(self) -> None:
        """Save the data and end, with the functions: a run whose payload is being executed fails.

        :raises Problem: if it has ended and the data that it had at the end is not saved.
        """
        if not self.is_running():
            return
        self._process.stop(SECONDS_TO_SAVE)
        shutil.rmtree(self._temporary, ignore_errors=True)
        if self.ended_unsaved():
            raise Problem(
                f"The emulator has ended, but could not save its data: what was stored {self._since_last_save()} is "
                f"lost. The next `make up` starts with the data of the last save. See the emulator's log: {self.log}"
            )

    def kill(self) -> None:
        """End without saving; the data on disk is that of the last save."""
        self._process.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def ended_unsaved(self) -> bool:
        """Whether the emulator that used this data last has ended without saving it."""
        last = self._data.last()
        return self._ids.exists() if last is None else not last.is_last

    def last_saved(self) -> str:
        """The time of the last save, in the time zone of this machine."""
        last = self._data.last()
        return "" if last is None else f"{last.at.astimezone():%Y-%m-%d %H:%M:%S}"

    def _since_last_save(self) -> str:
        saved = self.last_saved()
        return f"since {saved}" if saved else "since its start"

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name in NETWORK} | {
            "AUTH": "true",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._data.folder),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._data.objects),
            "IDS_FILE": str(self._ids),
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
        self._data.prepare()
        if not self._data.exists():
            self._ids.unlink(missing_ok=True)  # the data was removed, so the ids start again


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
