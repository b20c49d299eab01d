"""What functions log, at whatever level a deployment chooses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import template

CALL = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)  # as Lambda does for LogLevel DEBUG
import app
import boto3
from botocore.stub import Stubber
from baton.runtime import wiring
client = boto3.client("ssm", region_name="local")
with Stubber(client) as stubber:
    stubber.add_response("put_parameter", {})
    client.put_parameter(Name="n", Value="sk-test-secret", Type="SecureString")
import urllib3
logging.getLogger("urllib3.connectionpool").debug("POST /v1?key=sk-test-secret")
logging.getLogger().debug("the level is on")
"""


@pytest.mark.parametrize(
    "function", sorted(path.name for path in (template.ROOT / "functions").iterdir() if path.is_dir())
)
def test_at_level_debug_no_function_logs_what_it_sends_or_receives(function: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=template.ROOT / "functions" / function,
        env={
            "PYTHONPATH": f"{template.ROOT / 'functions' / function}:{template.ROOT / 'layers' / 'baton'}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the level is on" in told.stdout
    assert "sk-test-secret" not in told.stdout + told.stderr
