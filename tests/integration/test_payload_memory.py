"""The memory of the payload function holds the largest prompts and answers: Lambda ends a function that exceeds it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from baton.adapters.llm.http.transport import MAX_BODY_BYTES
from baton.domain.catalog.definitions import MAX_TEMPLATE_BYTES
from baton.domain.prompts import MAX_PROMPT_BYTES
from tests.support import large_payload_cases, template

RESERVED_KILOBYTES = 64 * 1024
"""For what is not in the measured process: the X-Ray daemon (16 MB), Lambda's own runtime client, and fragments of
memory after many different payloads.

Source: https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

LARGEST = [
    "openai, emoji, whole",
    "anthropic, emoji, streamed",
    "bedrock, emoji, whole",
    "JSON of 1 MB after a retry",
    "a path into JSON of 9 MB",
]
"""The cases with the most memory; ``make bench`` prints all."""


@pytest.mark.parametrize("case", LARGEST)
def test_the_default_memory_holds_the_largest_payloads(case: str) -> None:
    measured = json.loads(measure(case).splitlines()[-1])
    assert measured["outcomes"] == ["continue"] * len(measured["outcomes"])
    available = int(template.template()["Parameters"]["ExecutePayloadMemory"]["Default"]) * 1024
    assert measured["kilobytes"] + RESERVED_KILOBYTES < available


def test_the_measured_texts_are_the_largest_allowed() -> None:
    assert large_payload_cases.PROMPT_BYTES == MAX_PROMPT_BYTES
    assert large_payload_cases.TEMPLATE_BYTES == MAX_TEMPLATE_BYTES
    assert 0.95 * MAX_BODY_BYTES < large_payload_cases.ANSWER_BYTES < MAX_BODY_BYTES


def measure(case: str) -> str:
    """What the measuring process prints."""
    command = [sys.executable, str(template.ROOT / "tests" / "support" / "large_payload.py"), case]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
