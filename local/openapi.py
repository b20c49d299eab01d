"""make openapi: the OpenAPI document of the HTTP API, written down from what the functions' handlers say of themselves.

The API is two functions and one document. Routes, parameters and bodies come from the handlers' types, what a call does
from its docstring, how it can end from its decorator (`answers`), and examples from openapi_examples.yaml. It is a file
because making it takes a second or two, which no caller of a function should wait for.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
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
from baton.api.openapi.answers import SCHEMAS
from baton.version import VERSION
from local import openapi_problems
from local.openapi_problems import Json

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = Path(openapi.__path__[0]) / "openapi.json"
EXAMPLES = Path(__file__).with_name("openapi_examples.yaml")
FUNCTIONS = ("runs_api", "catalog_api")

DESCRIPTION = """\
Baton runs chains of LLM prompts as durable, observable runs. A **workflow** is a list of **payloads**, each one LLM
call; a payload's prompt is its **blocks** in order, and `{{name}}` in it stands for the answer of an earlier payload,
or for a variable that the run was started with. A **run** is one execution of a workflow.

What `GET` gives, `PUT` and `POST` take: fields that only an answer has, such as `id` and `created_at`, are ignored, and
so is what stands beside the `id` of a block or payload in a list. Any other unknown field or parameter is refused.
Every `GET` can be a `HEAD` as well; a method that a path doesn't take is answered 405, and `Allow` names those that it
does. A slash at the end of a path makes no difference.

Times are in UTC, as `2026-01-31T09:30:00.000Z`. Ids are whole numbers from 1 on.

**Problems** are answered as `application/problem+json` (RFC 9457). Tell them apart by `type`, which never changes;
`detail` is a sentence for people. API Gateway itself answers 429 and 503, with `{"message": "…"}`, when more requests
come than it may pass on; try again a little later.
"""

TAGS = {
    "runs": "Executions of workflows, each of the definitions as they were when it was started.",
    "workflows": "What runs: payloads in order.",
    "payloads": "LLM calls: blocks, an LLM instance, and settings.",
    "blocks": "Reusable pieces of prompt text.",
    "LLM instances": "Configured model endpoints. Keys are written and never read.",
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
    "description": "The version; send it as `If-Match` with a change that is meant for this version only.",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    "example": '"1"',
}
LOCATION = {
    "description": "Where the new definition is.",
    "required": True,
    "schema": {"type": "string", "pattern": "^/api/.+/[0-9]+$"},
    "example": "/api/blocks/1",
}


def main() -> None:
    DOCUMENT.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT.relative_to(ROOT)} says what the handlers say.\n")


def text() -> str:
    """The document as its file has it."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def document() -> Json:
    """The whole API, in OpenAPI 3.1."""
    paths: Json = {}
    schemas: Json = {"Problem": openapi_problems.schema(), **file_schemas()}
    for module in map(load, FUNCTIONS):
        own = described(module.api)
        add_all(schemas, own["components"]["schemas"])
        for path, method, operation in operations(own):
            paths.setdefault(path, {})[method] = finished(path, method, operation, module, schemas)
    by_tag = sorted(paths, key=lambda path: (list(TAGS).index(tag_of(path)), path))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Baton", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": ".", "description": "Where this document is."}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": {path: paths[path] for path in by_tag},
        "components": {
            "responses": openapi_problems.shared_responses(),
            "schemas": referred_to(paths, schemas),
        },
    }


def load(function: str) -> ModuleType:
    """The app of a function, by its folder."""
    spec = importlib.util.spec_from_file_location(f"{function}_described", ROOT / "functions" / function / "app.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"functions/{function}/app.py is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where Powertools looks types up
    spec.loader.exec_module(module)
    return module


def described(api: APIGatewayHttpResolver) -> Json:
    """What Powertools says of the routes, in Markdown, with whole numbers as such and with names that SDKs can have."""
    made = api.get_openapi_schema(title="Baton", version=VERSION).model_dump_json(by_alias=True, exclude_none=True)
    named = re.sub(r'\bListed_(\w+?)_"', r'Listed\1"', made).replace("``", "`")
    return dict(
        json.loads(named, parse_float=lambda digits: int(number) if (number := float(digits)).is_integer() else number)
    )


def operations(api: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in api["paths"].items():
        yield from ((path, method, operation) for method, operation in methods.items())


def file_schemas() -> Json:
    """Workflow files are read past Powertools, so it doesn't know their types."""
    own = FileModel.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
    return {**own.pop("$defs"), FileModel.__name__: own}


def add_all(schemas: Json, more: Json) -> None:
    for name, schema in more.items():
        if schemas.setdefault(name, schema) != schema:
            raise LookupError(f"Two types of the API are called {name}; clients' code can have only one.")


def finished(path: str, method: str, operation: Json, module: ModuleType, schemas: Json) -> Json:
    """One call, with all that Powertools leaves open."""
    function = function_name(operation["operationId"], path, method)
    parameters = [parameter(said) for said in operation.get("parameters", []) if said["name"] != "accept"]
    own = {status: answer for status, answer in operation["responses"].items() if not is_powertools_own(answer)}
    responses = openapi_problems.with_common_problems(
        path, method, own, has_input=bool(parameters) or "requestBody" in operation
    )
    for status, answer in own.items():
        if headers := headers_of(int(status), answer, schemas):
            answer["headers"] = headers
    for said in (*own.values(), operation.get("requestBody", {})):
        for media_type, content in said.get("content", {}).items():
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


def parameter(said: Json) -> Json:
    """As OpenAPI wants it: what can be left out can't be `null`, and what a header is called is in capitals."""
    schema = {**said["schema"]}
    present = [entry for entry in schema.pop("anyOf", []) if entry != {"type": "null"}]
    name = said["name"].title() if said["in"] == "header" else said["name"]
    return {**said, "name": name, "schema": {**schema, **(present[0] if present else {})}}


def is_powertools_own(answer: Json) -> bool:
    """Its 422, which it documents for every call, and which we answer in a form of our own."""
    return any("HTTPValidationError" in reference(content.get("schema", {})) for content in answer["content"].values())


def function_name(operation_id: str, path: str, method: str) -> str:
    """Powertools' id without the path and the method that it puts behind the handler's name."""
    return operation_id.removesuffix(re.sub(r"\W", "_", path) + f"_{method}")


def sentence_case(function: str) -> str:
    words = function.replace("_", " ").replace("llm", "LLM").replace("openapi", "OpenAPI")
    return words[0].upper() + words[1:]


def tag_of(path: str) -> str:
    found = next((tag for prefix, tag in TAG_OF.items() if path.startswith(prefix)), None)
    if found is None:
        raise LookupError(f"{path} has no tag; TAG_OF in {Path(__file__).name} has one for each beginning of a path.")
    return found


def headers_of(status: int, answer: Json, schemas: Json) -> Json:
    """What ``found`` and ``created`` of the HTTP functions send along with a stored definition."""
    body = schemas.get(reference(answer["content"].get("application/json", {}).get("schema", {})), {})
    if not {"id", "version"} <= body.get("properties", {}).keys():
        return {}
    return {"Location": LOCATION, "ETag": ETAG} if status == HTTPStatus.CREATED else {"ETag": ETAG}


def example_of(schema: Json, function: str) -> Any:
    name = reference(schema) or function
    if name.startswith("Listed"):
        return {"items": [examples()[name.removeprefix("Listed")]], "cursor": None}
    if name not in examples():
        raise LookupError(f"{name} has no example; {EXAMPLES.relative_to(ROOT)} is the place for one.")
    return examples()[name]


@cache
def examples() -> Json:
    """An example of each body, by its type."""
    return dict(yaml.safe_load(EXAMPLES.read_text()))


def reference(schema: Json) -> str:
    """The name of the type that a schema refers to, which may be one that can be left out."""
    refers = schema.get("$ref") or next((entry["$ref"] for entry in schema.get("anyOf", []) if "$ref" in entry), "")
    return str(refers).removeprefix(SCHEMAS)


def referred_to(paths: Json, schemas: Json) -> Json:
    """The types that the paths need, and those that these need."""
    needed: Json = {}
    ahead = references(paths)
    while ahead:
        name = ahead.pop()
        needed[name] = schemas[name]
        ahead |= references(schemas[name]) - needed.keys()
    return dict(sorted(needed.items()))


def references(said: Any) -> set[str]:
    return set(re.findall(rf'"{SCHEMAS}(\w+)"', json.dumps(said)))


if __name__ == "__main__":
    main()
