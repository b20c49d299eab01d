"""Deploys the template to the emulator with the same two commands as to AWS: sam build and sam deploy."""

import fcntl
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import botocore.session
from botocore.config import Config

from local.emulator import REGION, Emulator
from local.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
STACK_NAME = "baton"
# One build for all emulators of this clone. It is not in .aws-sam, the folder of the build for AWS, which may be for
# another processor.
BUILD = ROOT / ".local" / "build"
CACHE = ROOT / ".local" / "build-cache"
BUILD_LOCK = ROOT / ".local" / "build.lock"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


def build_and_deploy(emulator: Emulator, home: Path) -> dict[str, str]:
    """Build and deploy the template; returns the outputs of the stack.

    :raises Problem: if sam fails.
    """
    with build_lock():
        sam("build", build_options(), emulator, home)
        sam("deploy", deploy_options(emulator), emulator, home)
    return outputs(emulator)


def build_options(folder: Path = BUILD) -> list[str]:
    return [
        *("--template-file", str(ROOT / "template.yaml")),
        *("--build-dir", str(folder)),
        *("--cache-dir", str(CACHE)),
        *("--parameter-overrides", f"Architecture={architecture()}"),
    ]


def layer_paths(build: Path = BUILD) -> list[Path]:
    """The folders of the built layers from which functions import, in the order of their path."""
    return [build / layer / "python" for layer in ("BatonLayer", "DependenciesLayer")]


def deploy_options(emulator: Emulator) -> list[str]:
    return [
        *("--template-file", str(BUILD / "template.yaml")),
        "--parameter-overrides",
        f"Architecture={architecture()}",
        f"EmulatorHost=localhost:{emulator.port}",
        "AllowPrivateLlmHosts=true",  # most people first try a model on this machine
    ]


def architecture() -> str:
    machine = platform.machine().lower()
    if machine not in ARCHITECTURES:
        raise Problem(f"Lambda functions run on x86_64 or arm64, but this machine is {machine}.")
    return ARCHITECTURES[machine]


def sam(command: str, options: list[str], emulator: Emulator, home: Path) -> None:
    """Run sam in its own process group, so that an interrupt can end it with all its children."""
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
    log = home / f"sam-{command}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("sam")), command, *config, *options],
            cwd=ROOT,
            env=environment(emulator, home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if process.returncode != 0:
        raise Problem(f"`sam {command}` failed: {reason(log)} The full log is {log}")


def environment(emulator: Emulator, home: Path) -> dict[str, str]:
    """The environment without the developer's own AWS settings, so that no real account can be used."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    return own | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "localhost,127.0.0.1",
        "TMPDIR": str(home / "tmp"),  # removed when the emulator ends
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",
        "__SAM_CLI_APP_DIR": str(home / "sam"),
    }


def reason(log: Path) -> str:
    """The first line of the last error that sam printed."""
    errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("Error: ")]
    return errors[-1].removeprefix("Error: ").rstrip(".") + "." if errors else "no reason was reported."


def outputs(emulator: Emulator) -> dict[str, str]:
    no_proxy = Config(proxies={})
    client = session().client("cloudformation", endpoint_url=emulator.url, config=no_proxy)
    stacks = client.describe_stacks(StackName=STACK_NAME)
    return {output["OutputKey"]: output["OutputValue"] for output in stacks["Stacks"][0]["Outputs"]}


def session() -> boto3.Session:
    """A session that ignores the developer's profile, whose name alone can cause an error."""
    no_profile = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    return boto3.Session(
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's key
        region_name=REGION,
        botocore_session=botocore.session.Session(session_vars=no_profile),
    )


@contextmanager
def build_lock() -> Iterator[None]:
    """Stacks of one clone (such as make up and make test) share the build, so only one may build at a time."""
    BUILD_LOCK.parent.mkdir(exist_ok=True)
    with BUILD_LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
