"""Putting a request together. What could never be sent is refused, with the instance's name and not the value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from baton.domain.errors import LlmRefused
from baton.domain.llm.api_key_headers import header_name_error
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
"""For streams too: what imitates a vendor's API is tried out with the vendor's client, which asks for no other type."""

BEARER = "Authorization"
OURS = ("model", "messages", "stream")
"""Body keys that no option may set: the first two are the call itself, and a streamed answer couldn't be read."""


def url(call: LlmCall, base_url: str, path: str, *beginnings: str) -> str:
    """The base URL with the path joined on, once, also where it ends with the path or a beginning of it; its query
    stays (Azure's ``?api-version=``)."""
    try:
        parts = urlsplit(base_url.strip())
    except ValueError:
        raise refused(call, "has a base URL that can't be read") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise refused(call, "needs a base URL that begins with http:// or https://")
    base = parts.path.rstrip("/")
    there = next((known for known in (path, *beginnings) if base.endswith(known)), "")
    return parts._replace(path=base.removesuffix(there) + path, fragment="").geturl()


def api_key(call: LlmCall) -> str:
    """The key as a header can carry it; empty if the instance has none."""
    key = (call.api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise refused(call, "has an API key with a character that no header can carry")
    return key


def key_header(call: LlmCall, usual: str) -> dict[str, str]:
    """The header that carries the key: the instance's own choice, else the provider's usual one."""
    key = api_key(call)
    name = call.endpoint.api_key_header or usual
    if header_name_error(name):
        raise refused(call, "can't have its API key in the header that it names")
    if not key:
        return {}
    return {BEARER: f"Bearer {key}"} if name.lower() == BEARER.lower() else {name: key}


def json_body(call: LlmCall, body: Mapping[str, Any]) -> bytes:
    """UTF-8 without escapes, which keeps prompts of other scripts short. What is left open is not sent; options are
    further keys, and win over settings."""
    for name in OURS:
        if name in call.settings.options:
            raise refused(call, f"can't be given the option {name!r}: Baton sets it")
    said = {name: value for name, value in body.items() if value is not None}
    try:
        return json.dumps({**said, **call.settings.options}, ensure_ascii=False, allow_nan=False).encode(
            "utf-8", "replace"
        )
    except (TypeError, ValueError, RecursionError):
        raise refused(call, "has a setting or option that can't be written as JSON") from None


def unsupported_options(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    """For options that are Baton's own to set."""
    for name in OURS:
        if name in settings.options:
            yield UnsupportedSetting("options", f"{name!r} can't be one: Baton sets it")


def refused(call: LlmCall, what: str) -> LlmRefused:
    """A failure of the instance's, as a sentence."""
    return LlmRefused(f"LLM instance {call.endpoint.instance_name!r} {what}.")
