"""make openapi: generate the OpenAPI document of the HTTP API from the handlers of its functions.

Several functions serve the API; one document describes them all. Routes, parameters and bodies come from the handlers'
types, descriptions from their docstrings, responses from their decorators (`responses_of`), and examples from
openapi_examples.yaml. The document is a file because generating it takes a second or two, which is too long for a
request.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from baton.api import openapi
from baton.api.bodies.workflow_files import FileModel
from baton.api.methods import Api
from baton.api.openapi.responses import SCHEMAS
from baton.version import VERSION
from local import openapi_problems
from local.openapi_problems import Json

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = Path(openapi.__path__[0]) / "openapi.json"
EXAMPLES = Path(__file__).with_name("openapi_examples.yaml")

DESCRIPTION = """\
Baton runs chains of LLM prompts as durable, observable runs. A **workflow** is a list of **payloads**, each one LLM
call; a payload's prompt is its **blocks** in order, and `{{name}}` in it is replaced by the answer of an earlier
payload, or by a variable that the run was started with. A **run** is one execution of a workflow.

`PUT` and `POST` accept what `GET` returns: read-only fields, such as `id` and `created_at`, are ignored, and so are the
fields beside the `id` of a block or payload in a list. Any other unknown field or parameter is rejected.
Every `GET` route also supports `HEAD`. A method that a path doesn't support returns 405, and `Allow` lists the methods
that it supports. A slash at the end of a path is ignored.

Times are in UTC, as `2026-01-31T09:30:00.000Z`. Ids are whole numbers from 1 on.

Every response has an `X-Correlation-Id`, which the functions log: the request's own, if it has one of up to 64 letters,
digits, `.`, `_` and `-`, or a new one. A run has that of the call that started it, as `metadata.correlation_id`.

**Problems** are returned as `application/problem+json` (RFC 9457). Distinguish them by `type`, which never changes;
`detail` is a text for people. API Gateway itself returns 429 and 503, with `{"message": "…"}`, when there are more
requests than its limits allow; retry after a short wait.
"""

TAGS = {
    "runs": "Executions of workflows. Each uses the definitions as they were when it was started, unless it is resumed "
    "with the newest ones.",
    "workflows": "Ordered lists of payloads, which runs execute.",
    "payloads": "LLM calls: blocks, an LLM instance, and settings.",
    "blocks": "Reusable pieces of prompt text.",
    "LLM instances": "Configured model endpoints. API keys can be written, but never read.",
    "service": "The API itself.",
}
TAG_OF = {
    "/api/execute": "runs",
    "/api/runs": "runs",
    "/api/workflows": "workflows",
    "/schemas": "workflows",
    "/api/payloads": "payloads",
    "/api/blocks": "blocks",
    "/api/llm/instances": "LLM instances",
    "/health": "service",
}

ETAG = {
    "description": "The version. Send it as `If-Match` to change the definition only if it still has this version.",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    "example": '"1"',
}
LOCATION = {
    "description": "The path of the new definition.",
    "required": True,
    "schema": {"type": "string", "pattern": "^/api/.+/[0-9]+$"},
    "example": "/api/blocks/1",
}


def main() -> None:
    DOCUMENT.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT.relative_to(ROOT)} is up to date with the handlers.\n")


def text() -> str:
    """The text of the document's file."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def document() -> Json:
    """The whole API, in OpenAPI 3.1."""
    paths: Json = {}
    schemas: Json = {"Problem": openapi_problems.schema(), **file_schemas()}
    for module in http_functions().values():
        own = described(module.api)
        add_all(schemas, own["components"]["schemas"])
        for path, method, operation in operations(own):
            paths.setdefault(path, {})[method] = finished(path, method, operation, module, schemas)
    by_tag = sorted(paths, key=lambda path: (list(TAGS).index(tag_of(path)), path))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Baton", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": ".", "description": "The address of this document."}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": {path: paths[path] for path in by_tag},
        "components": {
            "responses": openapi_problems.shared_responses(),
            "schemas": referred_to(paths, schemas),
        },
    }


@cache
def http_functions() -> Mapping[str, ModuleType]:
    """The apps of the functions that serve the HTTP API, by folder: those with an ``api``."""
    modules = {app.parent.name: load(app) for app in sorted(ROOT.glob("functions/*/app.py"))}
    return {folder: module for folder, module in modules.items() if hasattr(module, "api")}


def load(app: Path) -> ModuleType:
    """The app of a function, by its path."""
    spec = importlib.util.spec_from_file_location(f"{app.parent.name}_described", app)
    if spec is None or spec.loader is None:
        raise ImportError(f"{app} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Powertools looks types up there
    spec.loader.exec_module(module)
    return module


def described(api: APIGatewayHttpResolver) -> Json:
    """Powertools' description of the routes, in Markdown, with integers and with type names that SDKs accept."""
    made = api.get_openapi_schema(title="Baton", version=VERSION).model_dump_json(by_alias=True, exclude_none=True)
    named = re.sub(r'\bListed_(\w+?)_"', r'Listed\1"', made).replace("``", "`")
    return dict(
        json.loads(named, parse_float=lambda digits: int(number) if (number := float(digits)).is_integer() else number)
    )


def operations(api: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in api["paths"].items():
        yield from ((path, method, operation) for method, operation in methods.items())


def file_schemas() -> Json:
    """Workflow files are not read by Powertools, so it doesn't know their types."""
    own = FileModel.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
    return {**own.pop("$defs"), FileModel.__name__: own}


def add_all(schemas: Json, more: Json) -> None:
    for name, schema in more.items():
        if schemas.setdefault(name, schema) != schema:
            raise LookupError(f"Two types of the API are called {name}: rename one of them.")


def finished(path: str, method: str, operation: Json, module: ModuleType, schemas: Json) -> Json:
    """One call, with everything that Powertools leaves out."""
    function = function_name(operation["operationId"], path, method)
    parameters = [parameter(declared) for declared in operation.get("parameters", []) if declared["name"] != "accept"]
    own = {status: found for status, found in operation["responses"].items() if not is_powertools_own(found)}
    responses = openapi_problems.with_common_problems(
        path, method, own, has_input=bool(parameters) or "requestBody" in operation
    )
    for status, response in own.items():
        if headers := headers_of(int(status), response, schemas):
            response["headers"] = headers
    for body in (*own.values(), operation.get("requestBody", {})):
        for media_type, content in body.get("content", {}).items():
            if media_type != openapi_problems.MEDIA_TYPE:
                content["example"] = example_of(content["schema"], function)
    return {
        "tags": [tag_of(path)],
        "operationId": function,
        "summary": sentence_case(function),
        "description": re.sub(r"\s*\n\s*", " ", docstring(module.api, function)).replace("``", "`"),
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": operation["requestBody"]} if "requestBody" in operation else {}),
        "responses": dict(sorted(responses.items())),
    }


def docstring(api: Api, function: str) -> str:
    (found,) = {str(route.func.__doc__) for route in api.all_routes() if route.func.__name__ == function}
    return found.strip()


def parameter(declared: Json) -> Json:
    """As OpenAPI requires it: an optional parameter can't be `null`, and a header's name has capitals."""
    schema = {**declared["schema"]}
    present = [entry for entry in schema.pop("anyOf", []) if entry != {"type": "null"}]
    name = declared["name"].title() if declared["in"] == "header" else declared["name"]
    return {**declared, "name": name, "schema": {**schema, **(present[0] if present else {})}}


def is_powertools_own(response: Json) -> bool:
    """Whether it is Powertools' 422, which it documents for every call; ours has another body."""
    return any(
        "HTTPValidationError" in reference(content.get("schema", {})) for content in response["content"].values()
    )


def function_name(operation_id: str, path: str, method: str) -> str:
    """Powertools' operation id without the path and the method that it appends to the handler's name."""
    return operation_id.removesuffix(re.sub(r"\W", "_", path) + f"_{method}")


def sentence_case(function: str) -> str:
    words = function.replace("_", " ").replace("llm", "LLM").replace("openapi", "OpenAPI")
    return words[0].upper() + words[1:]


def tag_of(path: str) -> str:
    found = next((tag for prefix, tag in TAG_OF.items() if path.startswith(prefix)), None)
    if found is None:
        raise LookupError(f"{path} has no tag: add one for its prefix to TAG_OF in {Path(__file__).name}.")
    return found


def headers_of(status: int, response: Json, schemas: Json) -> Json:
    """The headers that ``found`` and ``created`` send with a stored definition."""
    body = schemas.get(reference(response["content"].get("application/json", {}).get("schema", {})), {})
    if not {"id", "version"} <= body.get("properties", {}).keys():
        return {}
    return {"Location": LOCATION, "ETag": ETAG} if status == HTTPStatus.CREATED else {"ETag": ETAG}


def example_of(schema: Json, function: str) -> Any:
    name = reference(schema) or function
    if name.startswith("Listed"):
        return {"items": [examples()[name.removeprefix("Listed")]], "cursor": None}
    if name not in examples():
        raise LookupError(f"{name} has no example: add one to {EXAMPLES.relative_to(ROOT)}.")
    return examples()[name]


@cache
def examples() -> Json:
    """An example of each body, by its type."""
    return dict(yaml.safe_load(EXAMPLES.read_text()))


def reference(schema: Json) -> str:
    """The name of the type that a schema refers to, directly or as an optional type."""
    refers = schema.get("$ref") or next((entry["$ref"] for entry in schema.get("anyOf", []) if "$ref" in entry), "")
    return str(refers).removeprefix(SCHEMAS)


def referred_to(paths: Json, schemas: Json) -> Json:
    """The types that the paths refer to, directly or through other types."""
    needed: Json = {}
    pending = references(paths)
    while pending:
        name = pending.pop()
        needed[name] = schemas[name]
        pending |= references(schemas[name]) - needed.keys()
    return dict(sorted(needed.items()))


def references(described: Any) -> set[str]:
    return set(re.findall(rf'"{SCHEMAS}(\w+)"', json.dumps(described)))


if __name__ == "__main__":
    main()
