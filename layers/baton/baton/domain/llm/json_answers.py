"""The JSON value in an answer, whatever a model writes around it: a code fence, its reasoning, a sentence.

An answer that is JSON is its own value. In any other, each ``{`` or ``[`` outside of reasoning begins a candidate that
ends where its brackets close. One that isn't JSON is skipped as a whole, and so is whatever follows one that never
closes: an inner part of a broken value is never taken for the answer. Nor is a number, or a text, out of a sentence.

Each character is read a bounded number of times, so a hostile answer costs no more than a long one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Never

from baton.domain.llm.reasoning_marks import BEGIN, END, END_OF_REASONING

MAX_CANDIDATES = 20
"""Of an answer with more values than this, the last ones are considered."""

MAX_UNCLOSED = 10
"""Brackets that never close, each looked for up to the end of the answer; with more of them it is no JSON."""

CONTEXT_CHARACTERS = 80
"""So much of the text before and after a value is looked at: a fence's first line is shorter."""

_MARK = re.compile(rf"(?P<open>{BEGIN})|(?P<close>{END})|[{{\[]", re.IGNORECASE)
BLANK = "\ufeff \t\r\n"
_OPEN = re.compile(rf"[\s\ufeff]*{BEGIN}", re.IGNORECASE)
_FENCE_LINE = re.compile(r"\n[ \t]*(?:`{3,}|~{3,})")
_NESTING = re.compile(r"""[{\[]|[}\]]|"(?:[^"\\\n]|\\.)*"?""")
"""A text ends with its line at the latest, as in JSON."""

_LIKE_JSON = re.compile(r"""\{\s*(?:["'}]|$)|\[\s*(?:["'{\[]|$)""")
_IN_FENCE = re.compile(r"(?:`{3,}|~{3,})[^\S\n]*(?:[^\s`~]*\s*|[^\n`~]*\n\s*)$")
_FENCE_ENDS = re.compile(r"\s*(?:`{3,}|~{3,}|$)")
_FENCED = re.compile(r"(?:`{3,}|~{3,})[^\S\n]*(?:json\w*\b)?([^`~]*)(?:`{3,}|~{3,})?", re.IGNORECASE)
_PART_BEFORE = re.compile(r"""["'}\]]\s*,\s*$|["']\s*:\s*$""")
_INDEXED = re.compile(r"[A-Za-z0-9_\])]$")
_PART_AFTER = re.compile(r"""\s*,?\s*[}\]]|\s*,\s*["'{\[]""")
_STANDS_AFTER = re.compile(r"(?:^|\n|:|\uff1a|\bjson)\s*$", re.IGNORECASE)
_LINE_BEGINS = re.compile(r"(?:^|\n)[^\S\n]*$")
_LINE_ENDS = re.compile(r"[^\S\n]*(?:\n|$)")
_FOOTNOTE = re.compile(r"\[\s*\d+\s*\]|\[\s+\]")
LINKS = ("(", "[")
_BETWEEN = re.compile(r"[\s,;]*")


@dataclass(frozen=True, slots=True)
class _Candidate:
    value: Any
    start: int
    end: int
    rank: int
    """0 in a fence of its own, 1 on lines of its own, 2 within a line."""


def json_values(answer: str) -> Sequence[Any]:
    """What may be the answer's JSON value, the likeliest first; empty where there is none.

    Several are rare. One in a fence comes before one on lines of its own, and that before one within a line; of equals
    the last one comes first, since models end with their answer.
    """
    found = _loaded(answer) or _loaded(_bare(answer))
    if found:
        return found
    candidates = list(_alone(answer, _candidates(answer)))[-MAX_CANDIDATES:]
    return [each.value for each in sorted(candidates, key=lambda each: (each.rank, -each.start))]


def _loaded(text: str) -> tuple[Any, ...]:
    """The one value, or none: JSON has neither ``NaN`` nor ``Infinity``; Python's parser does."""
    try:
        return (json.loads(text, parse_constant=_no_number),)
    except (ValueError, RecursionError):
        return ()


def _no_number(name: str) -> Never:
    raise ValueError(name)


def _bare(answer: str) -> str:
    """Without a byte order mark, reasoning before it, and a fence around all of it: the only wrapping out of which a
    number or a text is read."""
    rest = answer[_reasoned(answer) :].strip(BLANK)
    if "{" not in rest and "[" not in rest:
        rest = rest[max((closed.end() for closed in END_OF_REASONING.finditer(rest)), default=0) :].strip(BLANK)
    fenced = _FENCED.fullmatch(rest)
    return fenced[1].strip() if fenced else rest


def _reasoned(answer: str) -> int:
    """Where the answer goes on after the reasoning that it begins with."""
    at = 0
    while mark := _OPEN.match(answer, at):
        closed = END_OF_REASONING.search(answer, mark.end())
        at = closed.end() if closed else len(answer)
    return at


def _candidates(text: str) -> list[_Candidate]:
    """In order. What came before the end of reasoning, or before a broken value, is a draft at best."""
    found: list[_Candidate] = []
    begin = at = unclosed = 0
    while unclosed <= MAX_UNCLOSED and (mark := _MARK.search(text, at)):
        if mark["open"]:
            closed = END_OF_REASONING.search(text, mark.end())
            at = begin = closed.end() if closed else len(text)
        elif mark["close"]:
            found.clear()
            at = begin = mark.end()
        else:
            end = _end(text, mark.start())
            candidate = _candidate(text, begin, mark.start(), end)
            if candidate:
                found.append(candidate)
            at = end if candidate else _after_broken(text, mark.start(), end, found)
            begin = begin if at == end else at
            unclosed += at != end
    return found if unclosed <= MAX_UNCLOSED else []


def _end(text: str, start: int) -> int:
    """Where the bracket at ``start`` closes; 0 if it doesn't."""
    depth = 0
    for token in _NESTING.finditer(text, start):
        if token[0][0] in "{[":
            depth += 1
        elif token[0][0] in "}]":
            depth -= 1
        if depth == 0:
            return token.end()
    return 0


def _after_broken(text: str, start: int, end: int, found: list[_Candidate]) -> int:
    """Where to go on after brackets that hold no answer: behind the reasoning or the fence that they stood in."""
    fence = None if end else _FENCE_LINE.search(text, start)
    closed = END_OF_REASONING.search(text, start, end or (fence.start() if fence else len(text)))
    if closed or (not end and _LIKE_JSON.match(text, start)):
        found.clear()
    if closed:
        return closed.end()
    return end or (fence.start() if fence else len(text))


def _candidate(text: str, begin: int, start: int, end: int) -> _Candidate | None:
    """The value between ``start`` and ``end``, if it is one and may be the answer."""
    loaded = _loaded(text[start:end]) if end else ()
    if not loaded:
        return None
    before, after = text[max(begin, start - CONTEXT_CHARACTERS) : start], text[end : end + CONTEXT_CHARACTERS]
    rank = _rank(before, after)
    if rank and not _may_stand(text[start:end], before, after):
        return None
    return _Candidate(loaded[0], start, end, rank)


def _rank(before: str, after: str) -> int:
    if _IN_FENCE.search(before) and _FENCE_ENDS.match(after):
        return 0
    return 1 if _LINE_BEGINS.search(before) and _LINE_ENDS.match(after) else 2


def _may_stand(value: str, before: str, after: str) -> bool:
    """Whether it is no part of something else, no footnote, link or index, and no mere brackets within a sentence."""
    if _PART_BEFORE.search(before) or _PART_AFTER.match(after):
        return False
    if value[0] == "[" and (_FOOTNOTE.fullmatch(value) or after[:1] in LINKS or _INDEXED.search(before)):
        return False
    return '"' in value or bool(_STANDS_AFTER.search(before) and _LINE_ENDS.match(after))


def _alone(text: str, candidates: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """Without those beside which another value stands, with nothing but a comma or a line break between: these are a
    list's entries without the list. The same value twice is one answer, given twice."""
    beside = set()
    for first, second in pairwise(candidates):
        same = text[first.start : first.end] == text[second.start : second.end]
        if not same and _BETWEEN.fullmatch(text, first.end, second.start):
            beside |= {first.start, second.start}
    return (each for each in candidates if each.start not in beside)
