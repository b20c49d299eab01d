"""Fit HTTP bodies into the size limit of a Lambda response.

A function's response is JSON and contains the body as a string. So text in the body is escaped twice: a quote becomes
four bytes, a control character seven. Non-ASCII characters are counted in their escaped form, ``\\u1234``: Lambda's
Python runtimes since 3.12 do not escape them, but older ones and the emulator may.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_BODY_BYTES = 5_900_000
"""Maximum size of one body. Lambda accepts 6 MiB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

MAX_RESPONSE_BYTES = 6_000_000
"""Maximum size of a body that could not be shortened; the rest of Lambda's 6,291,456 is for status and headers."""

CHUNK_CHARACTERS = 16_384
"""Texts are measured in chunks, to limit the memory that measuring needs."""

MAX_UTF8_BYTES_PER_CHARACTER = 4
"""Reading this many bytes beyond the budget shows whether the text continues."""

QUOTES_BYTES = 6
"""Size of an empty string that is encoded as JSON twice."""

MAX_BYTES_PER_CHARACTER = 12
"""In the encoded body: an emoji, as a surrogate pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongText:
    """A text that is stored under a key of its own; only its beginning has been read."""

    beginning: str
    size: int
    key: str


class TextReader(Protocol):
    """Reads long texts."""

    def beginning(self, key: str, max_bytes: int) -> str:
        """The first ``max_bytes`` bytes of a text, or fewer: no character is split."""


class Identified(Protocol):
    """An item of a list."""

    @property
    def id(self) -> int:
        """The next page starts after this id."""


def text_size(text: str) -> int:
    """The size of a text in a Lambda response."""
    chunks = range(0, len(text), CHUNK_CHARACTERS)
    return sum(_chunk_size(text[start : start + CHUNK_CHARACTERS]) for start in chunks)


def body_size(body: str) -> int:
    """The size of a body in a Lambda response."""
    return len(json.dumps(body))


def exceeds_response_limit(body: str) -> bool:
    """Whether Lambda would reject the response. Bodies that are short enough in any case are not measured."""
    return len(body) * MAX_BYTES_PER_CHARACTER > MAX_RESPONSE_BYTES and body_size(body) > MAX_RESPONSE_BYTES


def encode_for_lambda(response: dict[str, Any]) -> dict[str, Any] | None:
    """The response, with its body in Base64 if it is too large as text; ``None`` if it is too large in both forms.

    API Gateway decodes Base64, so clients see no difference. Base64 needs 4 bytes for 3, whatever the characters are:
    any workflow file fits, even one that consists of quotes or emojis.
    """
    body = response["body"]
    if not exceeds_response_limit(body):
        return response
    in_base64 = body if response["isBase64Encoded"] else base64.b64encode(body.encode()).decode()
    return None if len(in_base64) > MAX_RESPONSE_BYTES else {**response, "body": in_base64, "isBase64Encoded": True}


def remaining_budget(body: BaseModel) -> int:
    """The bytes that are left for texts in a body without them."""
    return max(0, MAX_BODY_BYTES - body_size(body.model_dump_json(by_alias=True)))


def fit_texts(
    texts: Sequence[str | LongText], budget: int = MAX_BODY_BYTES, reader: TextReader | None = None
) -> list[tuple[str, bool]]:
    """Each text, or its beginning if the budget is too small for all of it; and whether it was cut.

    The smallest texts are included first, regardless of their order, so that as few as possible are cut. Long texts
    need a ``reader``; no more of them is read than the budget allows.
    """
    fitting = [("", False)] * len(texts)
    for index in sorted(range(len(texts)), key=lambda index: _known_size(texts[index])):
        prefix, is_cut = _cut(texts[index], budget, reader)
        fitting[index] = prefix, is_cut
        budget -= text_size(prefix)
    return fitting


def values_within(values: Sequence[Any], budget: int) -> list[bool]:
    """Which of these JSON values fit into the budget, the smallest ones first. Empty values always fit."""
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    return [not (is_cut and value) for value, (_, is_cut) in zip(values, fit_texts(texts, budget), strict=True)]


def truncate_page[E: Identified, M: BaseModel](
    entries: Sequence[E], items: Sequence[M], next_after: int | None
) -> tuple[Sequence[M], int | None]:
    """The items of a page that fit into one response, at least one; and the id after which the next page starts.

    ``items`` are the views of ``entries``.
    """
    size = 0
    for count, item in enumerate(items):
        size += body_size(item.model_dump_json(by_alias=True))
        if count and size > MAX_BODY_BYTES:
            return items[:count], entries[count - 1].id
    return items, next_after


def _cut(text: str | LongText, budget: int, reader: TextReader | None) -> tuple[str, bool]:
    if isinstance(text, str):
        prefix = _prefix(text, budget)
        return prefix, len(prefix) < len(text)
    if reader is None:
        raise TypeError("Long texts need a reader.")
    if budget <= text_size(text.beginning):
        return _prefix(text.beginning, budget), True
    read = reader.beginning(text.key, budget + MAX_UTF8_BYTES_PER_CHARACTER)
    prefix = _prefix(read, budget)
    return prefix, len(prefix) < len(read)


def _prefix(text: str, budget: int) -> str:
    for start in range(0, len(text), CHUNK_CHARACTERS):
        chunk = text[start : start + CHUNK_CHARACTERS]
        size = _chunk_size(chunk)
        if size > budget:
            return text[: start + _fitting_characters(chunk, budget)]
        budget -= size
    return text


def _fitting_characters(chunk: str, budget: int) -> int:
    low, high = 0, len(chunk)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _chunk_size(chunk[:middle]) <= budget else (low, middle - 1)
    return low


def _chunk_size(chunk: str) -> int:
    return len(json.dumps(json.dumps(chunk, ensure_ascii=False))) - QUOTES_BYTES


def _known_size(text: str | LongText) -> int:
    return text.size if isinstance(text, LongText) else len(text.encode())
