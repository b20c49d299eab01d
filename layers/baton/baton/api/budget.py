"""How much one answer can carry, in bytes of the JSON in which Lambda hands it on.

A function's answer is JSON, and holds the body as one of its texts. So what stands in the body is escaped twice: a
quote becomes four bytes, a control character seven. Letters beyond ASCII are counted as ``\\u1234``: Lambda's Python
runtimes write them as they are since 3.12, but older ones and the emulator need not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_ANSWER_BYTES = 5_900_000
"""What one body may have. Lambda takes 6 MiB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

MAX_REPLY_BYTES = 6_000_000
"""What a body may have that could not be fitted; the rest of Lambda's 6,291,456 is for status and headers."""

CHUNK_CHARACTERS = 16_384
"""Measured at once, so that measuring a text doesn't take several times its room."""

LONGEST_CHARACTER_BYTES = 4
"""In UTF-8. Whoever reads so much more than fits has one more character than fits, if the text has one."""

QUOTES = 6
"""What JSON, written twice, puts around an empty text."""

MAX_BYTES_PER_CHARACTER = 12
"""Of a body's text: an emoji, as a surrogate pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongText:
    """A text that is kept elsewhere; ``read`` brings at most so many bytes of its beginning."""

    beginning: str
    size: int
    read: Callable[[int], str]


class Identified(Protocol):
    """An entry of a list."""

    @property
    def id(self) -> int:
        """Where a list goes on after it."""


def text_size(text: str) -> int:
    """The bytes that a text takes in Lambda's answer."""
    chunks = range(0, len(text), CHUNK_CHARACTERS)
    return sum(_chunk_size(text[start : start + CHUNK_CHARACTERS]) for start in chunks)


def body_size(body: str) -> int:
    """The bytes that a body takes in Lambda's answer."""
    return len(json.dumps(body))


def is_too_large(body: str) -> bool:
    """Whether Lambda would refuse the answer; bodies that can't be are not measured."""
    return len(body) * MAX_BYTES_PER_CHARACTER > MAX_REPLY_BYTES and body_size(body) > MAX_REPLY_BYTES


def sendable(reply: dict[str, Any]) -> dict[str, Any] | None:
    """The reply as Lambda takes it, in Base64 where it is too large as text; ``None`` if it is too large either way.

    API Gateway decodes Base64, so clients see no difference. It takes 4 bytes for 3, whatever the text holds: a
    workflow file fits, of quotes or emojis too.
    """
    body = reply["body"]
    if not is_too_large(body):
        return reply
    in_base64 = body if reply["isBase64Encoded"] else base64.b64encode(body.encode()).decode()
    return None if len(in_base64) > MAX_REPLY_BYTES else {**reply, "body": in_base64, "isBase64Encoded": True}


def room_beside(answer: BaseModel) -> int:
    """What is left for texts beside an answer that has none yet."""
    return max(0, MAX_ANSWER_BYTES - body_size(answer.model_dump_json(by_alias=True)))


def fit(texts: Sequence[str | LongText], budget: int = MAX_ANSWER_BYTES) -> list[tuple[str, bool]]:
    """Each text, or as much of its beginning as the smaller ones leave room for; and whether it was cut.

    The smallest come first, whatever their places, so that as many as possible are whole. A long text is read no
    further than there is room.
    """
    fitting = [("", False)] * len(texts)
    for index in sorted(range(len(texts)), key=lambda index: _known_size(texts[index])):
        kept, cut = _fitted(texts[index], budget)
        fitting[index] = kept, cut
        budget -= text_size(kept)
    return fitting


def whole_values(values: Sequence[Any], budget: int) -> list[bool]:
    """Which of these values of JSON can be sent whole within the budget, the smallest ones first; empty ones can."""
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    return [not (cut and value) for value, (_, cut) in zip(values, fit(texts, budget), strict=True)]


def fitting_page[E: Identified, M: BaseModel](
    entries: Sequence[E], items: Sequence[M], next_after: int | None
) -> tuple[Sequence[M], int | None]:
    """The items of a page as far as one answer can carry them, one at least; and the id to go on after.

    ``items`` are the entries as clients read them.
    """
    size = 0
    for count, item in enumerate(items):
        size += body_size(item.model_dump_json(by_alias=True))
        if count and size > MAX_ANSWER_BYTES:
            return items[:count], entries[count - 1].id
    return items, next_after


def _fitted(text: str | LongText, budget: int) -> tuple[str, bool]:
    if isinstance(text, str):
        kept = _beginning(text, budget)
        return kept, len(kept) < len(text)
    if budget <= text_size(text.beginning):
        return _beginning(text.beginning, budget), True
    read = text.read(budget + LONGEST_CHARACTER_BYTES)
    kept = _beginning(read, budget)
    return kept, len(kept) < len(read)


def _beginning(text: str, budget: int) -> str:
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
    return len(json.dumps(json.dumps(chunk, ensure_ascii=False))) - QUOTES


def _known_size(text: str | LongText) -> int:
    return text.size if isinstance(text, LongText) else len(text.encode())
