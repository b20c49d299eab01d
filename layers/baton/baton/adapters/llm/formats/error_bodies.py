"""The message and the status in an error's body, wherever the provider puts them. Texts are returned as they are.

These forms are supported, with names in any case:

- ``{"error": {"message", "type", "code"}}``: OpenAI, Azure OpenAI, vLLM, llama.cpp, Ollama's ``/v1``, OpenRouter
- ``[{"error": {"message", …}}]``: Gemini's OpenAI-compatible endpoint
- ``{"error": "…"}``: Ollama, many gateways
- ``{"object": "error", "message", "code"}``: older vLLM
- ``{"detail": "…"}`` and ``{"detail": [{"loc", "msg"}]}``: FastAPI servers
  (without the list's ``input``, which repeats the request)
- ``{"base_resp": {"status_code", "status_msg"}}``: MiniMax (https://platform.minimax.io/docs/api-reference/errorcode)
- ``{"error_code", "error_msg"}``: Baidu; ``{"Response": {"Error": {"Code", "Message"}}}``: Tencent
- ``{"code", "msg"}``, ``{"errors": [{"message"}]}``, ``{"output": {"message"}}`` and the like: gateways
- plain text: Envoy and other proxies; a web page has no message
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from baton.adapters.llm.http.wire import FAILURES

MESSAGE_FIELDS = (
    *("error", "message", "detail", "msg", "error_msg", "error_message", "errmsg", "err_msg", "errormessage"),
    *("status_msg", "status_message", "error_description", "reason", "faultstring", "title"),
)
"""Names of fields with a message, the likeliest first."""

CONTAINERS = ("base_resp", "errors", "fault", "response", "output", "data", "result", "header", "status")
"""Names of objects that contain such fields; a text under one of these names may be an answer."""

CODES = (
    *("code", "error_code", "errorcode", "status_code", "statuscode", "errcode", "status"),
    *("type", "__type", "error_type"),
)

STATUS_BY_NAME: Mapping[str, int] = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "api_error": 500,
    "timeout_error": 504,
    "unavailable_error": 503,
    "overloaded_error": 529,
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "throttlingexception": 429,
    "throttling_error": 429,
    "internal": 500,
    "internal_server_error": 500,
    "service_unavailable": 503,
    "unavailable": 503,
    "overloaded": 503,
    "deadline_exceeded": 504,
}
"""For an error without a number, by its code, else by its type: OpenAI's within a stream, Anthropic's
(https://platform.claude.com/docs/en/api/errors) always, and Google's upper-case names
(https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto)."""

STATUS_BY_CODE: Mapping[str, int] = {**{str(status): status for status in FAILURES}, **STATUS_BY_NAME}
STATUS_BY_VENDORS_CODE: Mapping[tuple[str, str], int] = {
    **{("status_code", code): 500 for code in ("1000", "1013", "1024", "1033")},
    **{("status_code", code): 429 for code in ("1002", "1039", "1041")},
    **{("status_code", code): 401 for code in ("1004", "2049")},
    **{("status_code", code): 400 for code in ("1026", "1027", "2013")},
    ("status_code", "1001"): 504,
    ("status_code", "1008"): 402,
    **{("error_code", code): 429 for code in ("4", "18", "336501", "336502")},
    **{("error_code", code): 401 for code in ("13", "14", "110", "111")},
    ("error_code", "336100"): 503,
}
"""MiniMax's codes, and Baidu's (https://cloud.baidu.com/doc/WENXINWORKSHOP/s/tlmyncueh)."""

SUCCESS_CODES = ("0", "200", "ok", "success", "20000")
FAILURE_WORDS = ("error", "fail", "failed", "failure")
SUCCESS_WORDS = ("ok", "success", "successful", "succeeded", "成功")

MAX_DEPTH = 8
BODY_PARTS = ("body", "query", "path", "header")
"""The first entries of FastAPI's ``loc``; the others name the field."""


def error_in(body: object, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The error object, wherever the provider puts it; empty if there is none."""
    body = _first(body)
    if not isinstance(body, dict):
        return {}
    inner = _first(body.get("error"))
    if isinstance(inner, dict):
        return (error_in(inner, depth - 1) if depth else {}) or inner
    if isinstance(inner, str) and inner:
        return {**body, "message": inner}
    if inner and isinstance(inner, int):
        return {"code": inner, **body}
    return body if "error" in (body.get("object"), body.get("type")) else {}


def _first(value: object) -> object:
    return next(iter(value), None) if isinstance(value, list) else value


def is_error(body: object) -> bool:
    """Whether the body has a form that only errors have."""
    return bool(error_in(body))


def error_message(body: object, depth: int = MAX_DEPTH) -> str:
    """The provider's own error message; empty if there is none."""
    if depth == 0:
        return ""
    if isinstance(body, str):
        return "" if body.lstrip().startswith("<") else body.strip()
    if isinstance(body, list):
        return "; ".join(
            filter(None, (error_message(part, depth - 1) for part in body[:3] if isinstance(part, dict | str)))
        )
    if not isinstance(body, dict):
        return ""
    message = next(filter(None, (error_message(part, depth - 1) for part in _parts(body))), "")
    field = _field(body.get("loc"))
    return f"{field}: {message}" if field and message else message


def _parts(body: Mapping[str, Any]) -> Iterator[object]:
    named = {name.lower(): part for name, part in body.items()}
    yield from (named.get(name) for name in MESSAGE_FIELDS)
    yield from (part for name in CONTAINERS if isinstance(part := named.get(name), dict | list))
    yield from _field_errors(named.get("errors"))


def _field_errors(errors: object) -> Iterator[str]:
    """Of ``{"errors": {"model": ["unknown"]}}``, or ``{"errors": "…"}``."""
    if isinstance(errors, str):
        yield errors
    for field, value in errors.items() if isinstance(errors, dict) else ():
        if isinstance(value, str | list) and (message := error_message(value)):
            yield f"{field}: {message}"


def _field(loc: object) -> str:
    """The field that one of FastAPI's errors is about."""
    if not isinstance(loc, list):
        return ""
    names = [str(name) for name in loc if isinstance(name, str | int)]
    return ".".join(names[1:] if len(names) > 1 and names[0] in BODY_PARTS else names)


def message_without_answer(body: object) -> str:
    """The message of a success without an answer; empty if it only reports success."""
    if not isinstance(body, dict):
        return ""
    message = error_message({name: part for name, part in body.items() if not _is_success(part)})
    if not message:
        return _failure_flag(body)
    return "" if message.lower().strip(" .!") in SUCCESS_WORDS else message


def _failure_flag(body: Mapping[str, Any]) -> str:
    """A field that reports a failure without a message."""
    if body.get("success") is False:
        return "success: false"
    status = body.get("status")
    return f"status: {status}" if isinstance(status, str) and status.lower() in FAILURE_WORDS else ""


def _is_success(part: object) -> bool:
    return isinstance(part, dict) and any(str(part.get(name)).lower() in SUCCESS_CODES for name in CODES)


def status_in(body: object) -> int | None:
    """The HTTP status that corresponds to the error's codes; ``None`` if they are unknown."""
    return next((status for part in _objects(body) for status in _statuses(part)), None)


def _objects(body: object) -> Iterator[Mapping[str, Any]]:
    """The objects that may contain the error's code."""
    error = error_in(body)
    yield error
    if isinstance(body, dict):
        named = {name.lower(): part for name, part in body.items()}
        yield named
        for part in (named.get(name) for name in CONTAINERS):
            if isinstance(part, dict):
                yield part
                yield error_in({"error": part.get("Error")})


def _statuses(part: Mapping[str, Any]) -> Iterator[int]:
    named = {name.lower(): str(code) for name, code in part.items() if isinstance(code, str | int)}
    for name in CODES:
        code = named.get(name, "")
        status = STATUS_BY_VENDORS_CODE.get((name, code)) or STATUS_BY_CODE.get(code.lower())
        if status is not None:
            yield status
