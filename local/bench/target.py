"""What the measurements of a running Baton use: a local stack of their own with an LLM stub."""

import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from botocore.config import Config

from local.bench.llm_stub import MODEL, llm_stub
from local.deployment import STACK_NAME, session
from local.emulator import PROGRAM
from local.example import Api
from local.network import free_port
from local.stack import Addresses, Stack

OPEN_FILES = 8_192
SECONDS_TO_RESPOND = 300  # many cold starts at once
FINAL = {"workflow_completed", "workflow_failed", "workflow_cancelled"}

names = count(1)


@dataclass(frozen=True)
class Target:
    """A local stack with the id of its LLM instance, which is the stub."""

    stack: Stack
    addresses: Addresses
    llm_instance: int

    @property
    def api(self) -> Api:
        """A connection of its own."""
        return Api(self.addresses.http_url, SECONDS_TO_RESPOND)

    def aws(self, service: Any) -> Any:
        """A client for a service of the emulator."""
        return session().client(service, endpoint_url=self.stack.emulator.url, config=Config(proxies={}))

    def resource(self, logical_id: str) -> str:
        """The physical id of a resource of the template."""
        found = self.aws("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def new_workflow(self, payloads: int) -> int:
        """A workflow with so many payloads, without references; returns its id."""
        name = f"bench {next(names)}"
        block = self.api.call("POST", "/api/blocks", {"title": name, "content": "Say something."})
        body = {"name": name, "blocks": [block["id"]], "llm_instance": self.llm_instance}
        payload = self.api.call("POST", "/api/payloads", body)["id"]
        body = {"name": name, "payloads": [payload] * payloads}
        return int(self.api.call("POST", "/api/workflows", body)["id"])


@contextmanager
def running_target(report: Callable[[str], None], emulator_program: str = PROGRAM) -> Iterator[Target]:
    """A stack that was just started: none of its functions that execute runs has been called."""
    allow_open_files()
    with (
        llm_stub() as base_url,
        tempfile.TemporaryDirectory() as folder,
        Stack(free_port(), Path(folder), report, emulator_program=emulator_program) as stack,
    ):
        body = {"name": "stub", "provider": "openai", "base_url": base_url, "model": MODEL}
        instance = Api(stack.addresses.http_url, SECONDS_TO_RESPOND).call("POST", "/api/llm/instances", body)
        try:
            yield Target(stack, stack.addresses, int(instance["id"]))
        finally:
            report("Stopping the local stack")
            stack.emulator.kill()  # its state is not needed again


def allow_open_files() -> None:
    """For many clients: in this process and in the emulator that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))
