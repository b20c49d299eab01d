"""The largest payloads, as cases of ``large_payload.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Text = Literal["ascii", "cjk", "emoji", "json"]
"""``emoji`` is ASCII after one emoji: Python stores four bytes for each of its characters."""

PROMPT_BYTES = ANSWER_BYTES = 10_000_000
"""The most for a prompt, and almost the most for an answer: the body that contains it may have 10 MB."""

TEMPLATE_BYTES = 1_000_000
PIECE_BYTES, SMALL_PIECE_BYTES = 1_000_000, 200
"""Of an event of a streamed answer."""

EMOJI, IDEOGRAPH = "\N{SLIGHTLY SMILING FACE}", "\N{CJK UNIFIED IDEOGRAPH-5B57}"

SCHEMA = {"type": "array", "items": {"type": "object", "required": ["id"]}}
ENTRY = {"id": 1_000_000, "name": "an entry", "tags": ["a", "b"]}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One payload. ``answer`` and ``prompt`` are the kinds of their texts; a ``json`` answer must match a schema, and a
    ``json`` prompt is a path into the earlier answer. ``retried``: the first answer does not match the schema.
    ``followed``: the run has a subscriber."""

    provider: str = "openai"
    prompt: Text = "emoji"
    answer: Text = "emoji"
    streamed: bool = True
    followed: bool = False
    retried: bool = False
    prompt_bytes: int = PROMPT_BYTES
    answer_bytes: int = ANSWER_BYTES
    piece_bytes: int = PIECE_BYTES


def _name(case: Case) -> str:
    return f"{case.provider}, {case.answer}, {'streamed' if case.streamed else 'whole'}"


LARGEST = [
    Case(provider=provider, prompt=text, answer=text, streamed=streamed)
    for provider in ("openai", "anthropic", "bedrock")
    for text in ("ascii", "cjk", "emoji")
    for streamed in (False, True)
]
"""Each provider with its largest texts."""

CASES: dict[str, Case] = {_name(case): case for case in LARGEST} | {
    "texts of 5 KB": Case(prompt="ascii", answer="ascii", prompt_bytes=5_000, answer_bytes=5_000),
    "texts of 1 MB": Case(prompt_bytes=1_000_000, answer_bytes=1_000_000),
    "simulated": Case(provider="simulated"),
    "small events": Case(answer_bytes=4_500_000, piece_bytes=SMALL_PIECE_BYTES),
    "followed": Case(followed=True),
    "JSON of 1 MB after a retry": Case(answer="json", answer_bytes=1_000_000, retried=True),
    "a path into JSON of 9 MB": Case(prompt="json"),
}


def text_of(kind: Text, size: int) -> str:
    """A text of at most ``size`` bytes, and hardly less."""
    match kind:
        case "ascii":
            return "a word " * (size // 7)
        case "cjk":
            return IDEOGRAPH * (size // 3)
        case "emoji":
            return EMOJI + "a word " * ((size - 4) // 7)
        case "json":
            return json.dumps([ENTRY] * (size // (len(json.dumps(ENTRY)) + 2)))


def response_format(case: Case) -> Any:
    """The format of the answer, as a setting."""
    return SCHEMA if case.answer == "json" else None
