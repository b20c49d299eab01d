"""Execute one large payload as its function does, in a new process, and print its peak memory in KB.

The argument is a case of ``large_payload_cases.py``. The tables, the bucket and the LLM are another process, so that
only the memory of the function is measured. The payload is executed several times, as in a warm function: Python can't
use all memory again that it has freed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INVOCATIONS = 3

SETTINGS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "local",
    "RUNS_TABLE": "runs",
    "TEXTS_BUCKET": "texts",
    "CONNECTIONS_TABLE": "connections",
    "SECRETS_PREFIX": "/baton",
    "ALLOW_PRIVATE_LLM_HOSTS": "true",
    "ALLOW_LOOPBACK_LLM_HOSTS": "true",
    "ALLOWED_LLM_HOSTS": "*",
    "POWERTOOLS_SERVICE_NAME": "execute_payload",
    "POWERTOOLS_METRICS_NAMESPACE": "Baton",
    "POWERTOOLS_METRICS_DISABLED": "true",
}
STEP = {"tenant": "default", "run_id": 1, "attempt": 1, "position": 1, "tries": 0}


def main(case: str) -> None:
    service = [sys.executable, "-m", "tests.support.large_payload_service", case]
    path = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "baton")])
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(service, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            measured = measure(f"http://localhost:{running.stdout.readline().strip()}")  # type: ignore[union-attr] # piped
        finally:
            running.terminate()
    print(json.dumps({"case": case} | measured))  # noqa: T201 - for the test


def measure(url: str) -> dict[str, Any]:
    os.environ |= SETTINGS | {"AWS_ENDPOINT_URL": url}
    sys.path[:0] = [str(ROOT / "functions" / "execute_payload"), str(ROOT / "layers" / "baton"), str(ROOT)]
    import app  # type: ignore[import-not-found]  # noqa: PLC0415 - the function's, whose folder is known only now

    from tests.support.functions import Context  # noqa: PLC0415
    from tests.support.large_run import peak  # noqa: PLC0415

    imports = peak()
    steps = [app.handler(dict(STEP), Context()) for _ in range(INVOCATIONS)]
    return {"outcomes": [step["outcome"] for step in steps], "imports": imports, "kilobytes": peak()}


if __name__ == "__main__":
    main(sys.argv[1])
