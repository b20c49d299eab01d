"""Details of HTTP: HEAD, unsupported methods, trailing slashes, queries, and the encodings and forms of bodies."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from baton.runtime import wiring
from baton.version import VERSION
from local import openapi
from tests.support.deployment import Deployment
from tests.support.events import http_event
from tests.support.functions import Answer, answer_of, invoke, request
from tests.support.routes import function_of

COLLECTIONS = ("/api/blocks", "/api/payloads", "/api/workflows", "/api/llm/instances", "/api/runs")
PAGES = ("/health", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/openapi.json", "/schemas/workflow.json")


@pytest.fixture
def run(baton: Deployment) -> int:
    """One definition of each kind, and an ended run."""
    baton.llm.script("x")
    run = baton.execute(baton.workflow("a {{topic}}"), topic="tides")
    baton.finish(run)
    return run


def assert_problem(answer: Answer, status: int, slug: str, *words: str) -> None:
    assert (answer.status, answer.body["type"]) == (status, slug), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    for word in words:
        assert word in answer.body["detail"]


def send(path: str, sent: bytes, *, as_text: bool = False, coding: str = "identity") -> Answer:
    """Send bytes as API Gateway does: in Base64, or as text with invalid UTF-8 replaced."""
    headers = {
        "content-type": "application/json",
        "content-length": str(len(sent)),
        "content-encoding": coding,
    }
    body = sent.decode(errors="replace") if as_text else base64.b64encode(sent).decode()
    event = http_event("POST", path, body, headers=headers) | {"isBase64Encoded": not as_text}
    return answer_of(invoke(function_of("POST", path), event))


# ---- HEAD ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *COLLECTIONS,
        *PAGES,
        *[f"{path}/1" for path in COLLECTIONS],
        "/api/runs/1/responses",
        "/api/runs/1/definition",
        "/api/execute/run/1",
        "/api/workflows/1/export",
        "/api/blocks/9",
        "/api/blocks/x",
        "/docs/none.js",
        "/api/nothing",
    ],
)
@pytest.mark.usefixtures("run")
def test_head_returns_the_headers_of_get_without_the_body(path: str) -> None:
    got = invoke(function_of("GET", path), http_event("GET", path))
    head = invoke(function_of("HEAD", path), http_event("HEAD", path))
    assert (head["statusCode"], head["headers"]) == (got["statusCode"], got["headers"])
    assert (head["body"], head.get("isBase64Encoded", False)) == ("", False)
    assert int(head["headers"]["Content-Length"]) == len(got["body"].encode()) > 0
    if path in [f"{collection}/1" for collection in COLLECTIONS[:4]]:
        assert head["headers"]["ETag"] == '"1"'


@pytest.mark.usefixtures("baton")
def test_head_with_an_invalid_query_has_the_status_of_get() -> None:
    assert request("HEAD", "/api/runs", query={"limit": "0"}).status == 422


@pytest.mark.usefixtures("baton")
def test_content_length_is_the_length_of_the_compressed_body() -> None:
    answer = invoke("runs_api", http_event("GET", "/openapi.json", headers={"accept-encoding": "gzip"}))
    assert int(answer["headers"]["Content-Length"]) == len(base64.b64decode(answer["body"]))


# ---- Methods -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/blocks", "GET, HEAD, POST, OPTIONS"),
        ("/api/blocks/", "GET, HEAD, POST, OPTIONS"),
        ("/api/payloads/7", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/api/workflows/import", "POST, OPTIONS"),
        ("/api/workflows/7/export", "GET, HEAD, OPTIONS"),
        ("/api/workflows/7/preflight", "POST, OPTIONS"),
        ("/api/llm/instances/7/test", "POST, OPTIONS"),
        ("/api/execute/workflow/7", "POST, OPTIONS"),
        ("/api/execute/run/7", "GET, HEAD, OPTIONS"),
        ("/api/runs", "GET, HEAD, OPTIONS"),
        ("/api/runs/7", "GET, HEAD, DELETE, OPTIONS"),
        ("/api/runs/7/resume", "POST, OPTIONS"),
        ("/schemas/workflow.json", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/docs/start.js", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_an_unsupported_method_is_a_405_with_the_supported_methods(path: str, allow: str) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - set(allow.split(", ")):
        answer = request(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, allow)
        if method != "HEAD":
            assert_problem(answer, 405, "method-not-allowed", method, allow)
    for function in openapi.http_functions():  # $default uses one of them for every unknown route
        if not path.startswith(("/docs", "/openapi", "/health")):
            assert invoke(function, http_event("PATCH", path))["headers"]["Allow"] == allow
    options = request("OPTIONS", path)
    assert (options.status, options.headers["Allow"], options.body) == (204, allow, None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/", "/api/blocks/1/2", "/api/blockss"])
def test_an_unknown_path_is_a_404_for_every_method(method: str, path: str) -> None:
    answer = request(method, path)
    assert answer.status == 404
    if method != "HEAD":
        assert_problem(answer, 404, "no-such-call", f"There is no {method} {path}.")


# ---- Slashes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*COLLECTIONS, "/api/blocks/1", "/api/runs/1", "/api/runs/1/responses", *PAGES])
@pytest.mark.usefixtures("run")
def test_a_trailing_slash_is_ignored(path: str) -> None:
    for written in (f"{path}/", f"{path}//"):
        answer = invoke(function_of("GET", path), http_event("GET", written))
        assert answer == invoke(function_of("GET", path), http_event("GET", path))


def test_a_body_may_be_sent_to_a_path_with_a_trailing_slash(baton: Deployment) -> None:
    created = request("POST", "/api/blocks/", {"title": "t", "content": "c"})
    assert (created.status, created.headers["Location"]) == (201, "/api/blocks/1")
    assert request("PUT", "/api/blocks/1/", {"title": "t", "content": "d"}).status == 200
    assert request("POST", "/api/workflows/import/", {"workflow": {"name": "w"}}).status == 200
    assert request("DELETE", "/api/blocks/1/").status == 204
    assert baton.aws.items(baton.aws.catalog_table)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/api/blocks/", "../../api/blocks"),
        ("/api//blocks", "../../api/blocks"),
        ("/api/blocks/1/", "../../../api/blocks/1"),
    ],
)
def test_a_path_with_a_slash_in_the_wrong_function_is_redirected(path: str, location: str) -> None:
    answer = invoke("runs_api", http_event("GET", path))
    assert (answer["statusCode"], answer["headers"]["Location"]) == (308, location)
    answer = invoke("runs_api", http_event("GET", path, query={"limit": "1"}))
    assert answer["headers"]["Location"] == f"{location}?limit=1"


# ---- Health --------------------------------------------------------------------------------------------------------


def test_health_returns_the_version_without_calling_a_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a dependency is called")

    monkeypatch.setattr("boto3.client", fail)
    monkeypatch.setattr("boto3.resource", fail)
    for name in ("run_store", "catalog_store", "start_run"):
        monkeypatch.setattr(wiring, name, fail)
    answer = request("GET", "/health")
    assert (answer.status, answer.body) == (200, {"status": "ok", "version": VERSION})


# ---- Queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("GET", "/api/runs", ["status", "workflow_id", "limit", "cursor"]),
        ("GET", "/api/blocks", ["limit", "cursor", "q", "tag", "folder_path"]),
        ("GET", "/api/blocks/1", []),
        ("PUT", "/api/blocks/1", []),
        ("DELETE", "/api/blocks/1", []),
        ("POST", "/api/blocks", []),
        ("POST", "/api/workflows/import", ["dry_run"]),
        ("POST", "/api/execute/workflow/1", []),
        ("GET", "/health", []),
        ("GET", "/docs", []),
    ],
)
@pytest.mark.usefixtures("baton")
def test_an_unknown_query_parameter_is_rejected_with_the_known_ones(method: str, path: str, known: list[str]) -> None:
    answer = request(method, path, query={"limt": "5"})
    assert_problem(answer, 422, "invalid-request", "limt: is not a parameter of this call", *known)
    assert [error["field"] for error in answer.body["errors"]] == ["limt"]
    assert request("GET", "/api/blocks").body["items"] == []


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("limit=", "limit", "is empty"),
        ("cursor=", "cursor", "is empty"),
        ("status=", "status", "is empty"),
        ("limit=1&limit=2", "limit", "2 times"),
        ("limit=2&limit=2", "limit", "2 times"),
        ("Limit=2", "Limit", "not a parameter"),
        ("=2", '""', "not a parameter"),
        ("a.b=2", '"a.b"', "not a parameter"),
    ],
)
@pytest.mark.usefixtures("baton")
def test_an_empty_or_repeated_query_parameter_is_rejected(query: str, field: str, words: str) -> None:
    answer = invoke("runs_api", {**http_event("GET", "/api/runs"), "rawQueryString": query})
    (error,) = json.loads(answer["body"])["errors"]
    assert (answer["statusCode"], error["field"]) == (422, field)
    assert words in error["message"]


@pytest.mark.parametrize("status", ["COMPLETED", "Completed", "completed"])
def test_a_status_may_be_written_in_any_case(run: int, status: str) -> None:
    listed = request("GET", "/api/runs", query={"status": status})
    assert [entry["id"] for entry in listed.body["items"]] == [run]


@pytest.mark.usefixtures("baton")
def test_an_unknown_status_is_rejected_with_the_known_ones() -> None:
    answer = request("GET", "/api/runs", query={"status": "DONE"})
    assert_problem(answer, 422, "invalid-request", "status: should be 'created', 'running'")


# ---- Bodies --------------------------------------------------------------------------------------------------------

BLOCK = {"title": "t", "content": "é 你"}
TEXT = json.dumps(BLOCK, ensure_ascii=False)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (gzip.compress(TEXT.encode(), mtime=0), "compressed (gzip)"),
        (b"\x28\xb5\x2f\xfd rest", "compressed (Zstandard)"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16"),
        (TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("latin-1", errors="replace"), "not UTF-8"),
        (b'{"title": "\xff", "content": "c"}', "not UTF-8"),
        (b'{"title": "\xed\xa0\x80", "content": "c"}', "not UTF-8"),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("path", ["/api/blocks", "/api/workflows/import"])
def test_a_body_that_is_not_utf_8_is_rejected_with_its_encoding(
    baton: Deployment, sent: bytes, words: str, as_text: bool, path: str
) -> None:
    assert_problem(send(path, sent, as_text=as_text), 422, "invalid-request", "body", words, "send it")
    assert baton.aws.items(baton.aws.catalog_table) == []


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.usefixtures("baton")
def test_utf_32_is_distinguished_from_utf_16(encoding: str) -> None:
    assert_problem(send("/api/blocks", TEXT.encode(encoding)), 422, "invalid-request", "UTF-32")


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.usefixtures("baton")
def test_a_utf_8_byte_order_mark_is_ignored(as_text: bool) -> None:
    assert send("/api/blocks", TEXT.encode("utf-8-sig"), as_text=as_text).body["content"] == BLOCK["content"]


@pytest.mark.usefixtures("baton")
def test_a_replacement_character_is_accepted() -> None:
    sent = json.dumps({"title": "t", "content": "\ufffd"}, ensure_ascii=False).encode()
    for as_text in (False, True):
        title = {"title": f"{as_text}", "content": "\ufffd"}
        sent = json.dumps(title, ensure_ascii=False).encode()
        assert send("/api/blocks", sent, as_text=as_text).body["content"] == "\ufffd"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "GZIP", "gzip, identity"])
@pytest.mark.usefixtures("baton")
def test_a_content_encoding_is_rejected_by_name(coding: str) -> None:
    answer = send("/api/blocks", gzip.compress(TEXT.encode(), mtime=0), coding=coding)
    assert_problem(answer, 415, "unknown-media-type", f"Content-Encoding: {coding.lower()}")
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.usefixtures("baton")
def test_the_identity_content_encoding_is_accepted() -> None:
    assert send("/api/blocks", TEXT.encode(), coding="identity").status == 201


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("{", "line 1: is not JSON at column 2", "name in double quotes"),
        ('{\n  "title": "t",\n}', "line 2: is not JSON at column 15", "comma"),
        ('{"title" "t"}', "line 1: is not JSON at column 10", "colon"),
        ('{"title": "t" "content": "c"}', "line 1: is not JSON at column 15", "comma"),
        ("{'title': 't'}", "line 1: is not JSON at column 2", "name in double quotes"),
        ('{"title": "t\n"}', "line 1: is not JSON at column 13", "escape"),
        ('{"title": "t}', "line 1: is not JSON at column 11", "closing quote"),
        ('{"title": "\\x"}', "line 1: is not JSON at column 12", "backslash"),
        ('{"title": "\\u12"}', "line 1: is not JSON at column", "hexadecimal"),
        ("{} {}", "line 1: is not JSON at column 4", "nothing is expected"),
        ("title=t", "line 1: is not JSON at column 1", "value is expected"),
        ('{"tags": [1,]}', "line 1: is not JSON at column", "comma"),
        ('{"title": undefined}', "line 1: is not JSON at column 11", "value is expected"),
    ],
)
@pytest.mark.usefixtures("baton")
def test_the_error_of_invalid_json_names_the_position_and_the_expected_token(
    text: str, place: str, expected: str
) -> None:
    assert_problem(request("POST", "/api/blocks", text=text), 422, "invalid-request", place, expected)


@pytest.mark.usefixtures("baton")
def test_a_duplicate_json_name_is_rejected() -> None:
    text = '{"title": "a", "content": "c", "title": "b"}'
    assert_problem(request("POST", "/api/blocks", text=text), 422, "invalid-request", "'title' twice")


@pytest.mark.parametrize(
    "text", ["null", "", "  \n ", "{}", '{"variables": null}', '{"variables": null, "on_missing": null}']
)
def test_a_run_and_a_preflight_need_no_body(baton: Deployment, text: str) -> None:
    workflow = baton.workflow("a")
    on_missing = '{"variables": null, "on_missing": null}'
    assert request("POST", f"/api/execute/workflow/{workflow}", text=text).status == 202
    if text != on_missing:
        assert request("POST", f"/api/workflows/{workflow}/preflight", text=text).status == 200


# ---- Bodies of GET as bodies of PUT --------------------------------------------------------------------------------

SETTINGS = {
    "system": "Be brief.",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 100,
    "stop": ["END", "\n\n"],
    "seed": 7,
    "response_format": {"type": "object", "properties": {"id": {"type": "null"}}},
    "model": "other",
    "timeout_seconds": 30,
    "stream": False,
    "options": {"id": 1, "title": None},
}
INSTANCE = {
    "name": "i",
    "provider": "openai",
    "base_url": "https://llm.test/v1",
    "model": "m",
    "defaults": SETTINGS,
    "timeout_seconds": 60,
    "price": {"prompt": 1, "completion": 2.5},
    "api_key": "sk-test-1",
    "api_key_header": "api-key",
    "limits": {"max_concurrency": 2, "requests_per_minute": 30, "tokens_per_minute": 1000},
    "fallback": 1,
}


def one_of_each(baton: Deployment) -> None:
    """Two of each kind: one with all fields, and one with required fields only."""
    simulated = {"provider": "simulated", "model": "m"}
    baton.create("/api/llm/instances", {"name": "plain", **simulated})
    baton.create("/api/llm/instances", INSTANCE)
    baton.create("/api/blocks", {"title": "plain", "content": ""})
    baton.create("/api/blocks", {"title": "full", "content": "c", "tags": ["a", "b"], "folder_path": "/x"})
    baton.create("/api/payloads", {"name": "plain", "blocks": [1], "llm_instance": 1})
    blocks = [2, {"content": "inline"}, 1, 2, {"content": ""}]
    baton.create("/api/payloads", {"name": "full", "blocks": blocks, "llm_instance": 2, **SETTINGS})
    baton.create("/api/workflows", {"name": "plain"})
    baton.create("/api/workflows", {"name": "full", "payloads": [2, 1, 2]})


def own(definition: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in definition.items() if name not in ("id", "version", "created_at", "updated_at")
    }


@pytest.mark.parametrize("path", [f"{path}/{id_}" for path in COLLECTIONS[:4] for id_ in (1, 2)])
def test_put_accepts_the_body_of_get_and_changes_nothing(baton: Deployment, path: str) -> None:
    one_of_each(baton)
    before = request("GET", path)
    put = request("PUT", path, before.body, headers={"if-match": before.headers["ETag"]})
    after = request("GET", path).body
    assert put.status == 200, put.body
    assert put.body == after
    assert own(after) == own(before.body)
    assert (after["id"], after["version"], after["created_at"]) == (before.body["id"], 2, before.body["created_at"])


@pytest.mark.parametrize("path", [f"{path}/{id_}" for path in COLLECTIONS[:4] for id_ in (1, 2)])
def test_post_accepts_the_body_of_get_with_another_name(baton: Deployment, path: str) -> None:
    one_of_each(baton)
    before = request("GET", path).body
    name = "title" if "title" in before else "name"
    created = request("POST", path.rpartition("/")[0], {**before, name: "another"})
    assert created.status == 201, created.body
    assert (created.body["id"], created.body["version"]) == (3, 1)
    different = {name, "has_api_key"}
    assert {key: value for key, value in own(created.body).items() if key not in different} == {
        key: value for key, value in own(before).items() if key not in different
    }


@pytest.mark.parametrize("path", [f"{path}/2" for path in COLLECTIONS[:4]])
def test_put_accepts_an_item_of_a_list(baton: Deployment, path: str) -> None:
    one_of_each(baton)
    listed = request("GET", path.rpartition("/")[0]).body["items"][1]
    assert request("PUT", path, listed).status == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/blocks/1", {"title": "t", "content": "c", "ID": 1}, "ID"),
        ("/api/blocks/1", {"title": "t", "content": "c", "has_api_key": True}, "has_api_key"),
        ("/api/payloads/1", {"name": "p", "llm_instance": 1, "blocks": [{"id": 1, "titel": "t"}]}, "blocks[0].titel"),
        (
            "/api/payloads/1",
            {"name": "p", "llm_instance": 1, "blocks": [{"id": 1, "content": "c"}]},
            "blocks[0].content",
        ),
        ("/api/payloads/1", {"name": "p", "llm_instance": 1, "blocks": [{"id": None}]}, "blocks[0].content"),
        ("/api/payloads/1", {"name": "p", "llm_instance": 1, "blocks": [{"id": "1"}]}, "blocks[0].id"),
        ("/api/workflows/1", {"name": "w", "payloads": [{"name": "p"}]}, "payloads[0].id"),
        ("/api/workflows/1", {"name": "w", "payloads": [{"id": 1, "title": "p"}]}, "payloads[0].title"),
    ],
)
def test_other_unknown_fields_are_rejected(baton: Deployment, path: str, body: dict[str, Any], field: str) -> None:
    one_of_each(baton)
    answer = request("PUT", path, body)
    assert answer.status == 422
    assert [error["field"] for error in answer.body["errors"]] == [field]


# ---- Lenient values ------------------------------------------------------------------------------------------------


def payload(baton: Deployment, **settings: Any) -> Answer:
    if not baton.aws.items(baton.aws.catalog_table):
        one_of_each(baton)
    return request("POST", "/api/payloads", {"name": "new", "blocks": [1], "llm_instance": 1, **settings})


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"max_tokens": 100.0}, {"max_tokens": 100}),
        ({"seed": 1.0}, {"seed": 1}),
        ({"seed": -1e3}, {"seed": -1000}),
        ({"blocks": [1.0]}, {"llm_instance": 1}),
        ({"llm_instance": 1.0}, {"llm_instance": 1}),
        ({"options": None}, {"options": None}),
    ],
)
def test_unambiguous_values_are_converted(baton: Deployment, sent: dict[str, Any], stored: dict[str, Any]) -> None:
    answer = payload(baton, **sent)
    assert answer.status == 201, answer.body
    assert stored.items() <= answer.body.items()
    assert all(type(answer.body[name]) is type(value) for name, value in stored.items())


@pytest.mark.parametrize("name", ["max_tokens", "seed", "llm_instance"])
@pytest.mark.parametrize("value", [100.5, "100", True, 1e300])
def test_a_value_that_is_not_a_whole_number_is_rejected(baton: Deployment, name: str, value: Any) -> None:
    answer = payload(baton, **{name: value})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, name)


@pytest.mark.usefixtures("baton")
def test_null_sets_a_field_to_its_default() -> None:
    block = request("POST", "/api/blocks", {"title": "t", "content": "c", "tags": None, "folder_path": None}).body
    assert (block["tags"], block["folder_path"]) == ([], "/")
    assert request("POST", "/api/workflows", {"name": "w", "payloads": None}).body["payloads"] == []
    sent = {"name": "i", "provider": "simulated", "model": "m", "defaults": None, "timeout_seconds": None}
    instance = request("POST", "/api/llm/instances", {**sent, "limits": {"requests_per_minute": 5.0}}).body
    assert (instance["timeout_seconds"], instance["limits"]["requests_per_minute"]) == (120, 5)


def test_files_accept_the_same_lenient_values(baton: Deployment) -> None:
    one_of_each(baton)
    first = {"name": "f", "blocks": [{"content": "x"}], "llm_instance": "plain", "stop": "END", "max_tokens": 100.0}
    file = {"workflow": {"name": "w", "payloads": ["f"]}, "payloads": [first], "blocks": None}
    assert request("POST", "/api/workflows/import", file).status == 200
    imported = next(entry for entry in request("GET", "/api/payloads").body["items"] if entry["name"] == "f")
    assert (imported["stop"], imported["max_tokens"]) == (["END"], 100)


# ---- A resume ------------------------------------------------------------------------------------------------------


def test_the_description_of_resume_explains_which_definition_is_used() -> None:
    described = openapi.document()["paths"]["/api/runs/{run_id}/resume"]["post"]["description"]
    assert "as it was when the run was started" in described
    assert '`"definition": "latest"`' in described
