"""The version in the code equals the version of the project."""

from __future__ import annotations

import json
import tomllib

from baton.version import VERSION
from local import openapi


def test_the_code_the_project_and_the_openapi_document_have_the_same_version() -> None:
    project = tomllib.loads((openapi.ROOT / "pyproject.toml").read_text())["project"]
    assert VERSION == project["version"] == json.loads(openapi.DOCUMENT.read_text())["info"]["version"]
