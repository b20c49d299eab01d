"""One version: what the code says is what the project is."""

from __future__ import annotations

import json
import tomllib

from baton.version import VERSION
from local import openapi


def test_the_version_is_the_same_wherever_it_is_told() -> None:
    project = tomllib.loads((openapi.ROOT / "pyproject.toml").read_text())["project"]
    assert VERSION == project["version"] == json.loads(openapi.DOCUMENT.read_text())["info"]["version"]
