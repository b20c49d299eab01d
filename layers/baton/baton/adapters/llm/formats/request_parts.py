"""Builds the parts of a request: URL, headers and body.

A value that can't be sent raises ``LlmRefused``, whose text does not contain the value.
"""

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
"""For streams as well: vendors' own clients accept JSON only, and servers that imitate an API are tested with these."""

BEARER = "Authorization"
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
RESERVED_KEYS = ("model", "messages", "stream")
"""Body keys that options can't set, since Baton does."""


def url(call: LlmCall, base_url: str, path: str, *prefixes: str) -> str:
    """The base URL with the path appended; if the base URL ends with the path or one of its ``prefixes``, that part is
    not repeated. The query is preserved (Azure's ``?api-version=``)."""
    try:
        parts = urlsplit(base_url.strip())
    except ValueError:
        raise refused(call, "has a base URL that can't be read") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise refused(call, "needs a base URL that begins with http:// or https://")
    base = parts.path.rstrip("/")
    repeated = next((known for known in (path, *prefixes) if base.endswith(known)), "")
    return parts._replace(path=base.removesuffix(repeated) + path, fragment="").geturl()


def api_key(call: LlmCall) -> str:
    """The key as a header value; empty if the instance has none."""
    key = (call.api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise refused(call, "has an API key with a character that HTTP headers don't allow")
    return key


def key_header(call: LlmCall, usual: str) -> dict[str, str]:
    """The header with the key: the instance's own header, else the provider's ``usual`` one."""
    key = api_key(call)
    name = call.endpoint.api_key_header or usual
    if header_name_error(name):
        raise refused(call, "has an api_key_header that can't contain a key")
    if not key:
        return {}
    return {BEARER: f"Bearer {key}"} if name.lower() == BEARER.lower() else {name: key}


def encoded_body(call: LlmCall, body: Mapping[str, Any]) -> bytes:
    """The body as UTF-8. Characters are not escaped, so that prompts in other scripts stay short. ``None`` values are
    omitted; options are added as further keys, and override settings. Each part is encoded by itself: the body never
    exists as a string, which would need up to four bytes for each character of a long prompt."""
    for name in RESERVED_KEYS:
        if name in call.settings.options:
            raise refused(call, f"has the option {name!r}, which Baton sets; remove it")
    present = {name: value for name, value in body.items() if value is not None}
    try:
        parts = ENCODER.iterencode({**present, **call.settings.options})
        return b"".join(part.encode("utf-8", "replace") for part in parts)
    except (TypeError, ValueError, RecursionError):
        raise refused(call, "has a setting or option that can't be written as JSON") from None


def unsupported_options(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    """The options of these settings that only Baton may set."""
    for name in RESERVED_KEYS:
        if name in settings.options:
            yield UnsupportedSetting("options", f"{name!r} is set by Baton; remove it")


def refused(call: LlmCall, what: str) -> LlmRefused:
    """The failure for a call that can't be sent; ``what`` follows the instance's name."""
    return LlmRefused(f"LLM instance {call.endpoint.instance_name!r} {what}.")
