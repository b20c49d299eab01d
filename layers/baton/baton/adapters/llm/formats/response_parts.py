"""Reads the parts of a reply: types are checked, and errors name the place of a wrong value, never the value."""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.formats.failures import parsed
from baton.adapters.llm.http.wire import HttpReply, encodable
from baton.domain.errors import LlmAnswerInvalid
from baton.domain.llm.calls import LlmCall

TEXT_PARTS = ("text", "output_text")
MAX_NAME_CHARACTERS = 200
MAX_TOKENS = 10**12
"""A larger count is invalid, and would not fit where it is stored."""


def json_body(reply: HttpReply, call: LlmCall) -> object:
    """The body of a success: an answer or, with some providers, an error."""
    body = parsed(reply.body)
    if isinstance(body, str):
        what = "that is a web page" if body.lstrip().startswith("<") else "that isn't JSON"
        raise invalid(call, f"{what}; check the base URL")
    return body


def expect[T](value: object, kind: type[T], path: str, call: LlmCall) -> T:
    """The value, if it has this type; else raises ``LlmAnswerInvalid`` with the place and the types."""
    if value is None:
        raise invalid(call, f"without {path}")
    if not isinstance(value, kind):
        raise invalid(call, f"whose {path} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def joined_text(parts: list[Any]) -> str | None:
    """The text parts, joined; ``None`` if there are none. Parts of other types (``thinking``) are no answer."""
    texts = [part if isinstance(part, str) else part.get("text") or "" for part in parts if is_text(part)]
    return "".join(texts) if texts else None


def is_text(part: object) -> bool:
    """Whether a part of an answer's content is text; some servers omit its type, or send a plain string."""
    if not isinstance(part, dict):
        return isinstance(part, str)
    text = part.get("text")
    return isinstance(text, str | None) and (type_of(part) in TEXT_PARTS or ("type" not in part and text is not None))


def type_of(part: object) -> str:
    """The type of a part of an answer's content; empty if it has none."""
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else ""


def count_of(value: object) -> int | None:
    """A token count, or ``None`` if it is invalid: an answer is not rejected because of its counts."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS else None


def name_of(value: object) -> str | None:
    """A model's name, or another label, cut to a length that can be stored."""
    return encodable(value)[:MAX_NAME_CHARACTERS] if isinstance(value, str) else None


def invalid(call: LlmCall, what: str) -> LlmAnswerInvalid:
    """The failure for an answer that can't be used; ``what`` follows "sent an answer"."""
    return LlmAnswerInvalid(f"LLM instance {call.endpoint.instance_name!r} sent an answer {what}.")
