"""Find the JSON value in an answer that may also contain a code fence, reasoning or sentences.

An answer that is JSON is its own value. In any other answer, each ``{`` or ``[`` outside of reasoning begins a
candidate that ends where its brackets close. A candidate that is not JSON is skipped whole, and so is everything after
one that never closes: an inner part of a broken value is never the answer. Nor is a number or a string within a
sentence.

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
"""Of more candidates than this, only the last ones count."""

MAX_UNCLOSED = 10
"""Each bracket that never closes costs a scan to the end of the answer; with more of them there is no JSON value."""

CONTEXT_CHARACTERS = 80
"""How much text before and after a candidate is checked: the first line of a fence is shorter."""

_MARK = re.compile(rf"(?P<open>{BEGIN})|(?P<close>{END})|[{{\[]", re.IGNORECASE)
BLANK = "\ufeff \t\r\n"
_OPEN = re.compile(rf"[\s\ufeff]*{BEGIN}", re.IGNORECASE)
_FENCE_LINE = re.compile(r"\n[ \t]*(?:`{3,}|~{3,})")
_NESTING = re.compile(r"""[{\[]|[}\]]|"(?:[^"\\\n]|\\.)*"?""")
"""A string ends at the end of its line, as in JSON."""

_LIKE_JSON = re.compile(r"""\{\s*(?:["'}]|$)|\[\s*(?:["'{\[]|$)""")
_IN_FENCE = re.compile(r"(?:`{3,}|~{3,})[^\S\n]*(?:[^\s`~]*\s*|[^\n`~]*\n\s*)$")
_FENCE_ENDS = re.compile(r"\s*(?:`{3,}|~{3,}|$)")
_FENCED = re.compile(r"(?:`{3,}|~{3,})[^\S\n]*(?:json\w*\b)?([^`~]*)(?:`{3,}|~{3,})?", re.IGNORECASE)
_CONTINUES_BEFORE = re.compile(r"""["'}\]]\s*,\s*$|["']\s*:\s*$""")
_INDEXED = re.compile(r"[A-Za-z0-9_\])]$")
_CONTINUES_AFTER = re.compile(r"""\s*,?\s*[}\]]|\s*,\s*["'{\[]""")
_INTRODUCED = re.compile(r"(?:^|\n|:|\uff1a|\bjson)\s*$", re.IGNORECASE)
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
    """0: alone in a fence. 1: alone on its lines. 2: within a line."""


def json_values(answer: str) -> Sequence[Any]:
    """The candidates for the answer's JSON value, the likeliest first; empty if there is none.

    The order is: in a fence, alone on its lines, within a line. Of equals the last one is first, since models end with
    their answer.
    """
    found = _loaded(answer) or _loaded(_bare(answer))
    if found:
        return found
    candidates = list(_without_neighbours(answer, _candidates(answer)))[-MAX_CANDIDATES:]
    return [each.value for each in sorted(candidates, key=lambda each: (each.rank, -each.start))]


def _loaded(text: str) -> tuple[Any, ...]:
    """The value, or nothing. ``NaN`` and ``Infinity`` are rejected: JSON has neither, Python's parser accepts both."""
    try:
        return (json.loads(text, parse_constant=_no_number),)
    except (ValueError, RecursionError):
        return ()


def _no_number(name: str) -> Never:
    raise ValueError(name)


def _bare(answer: str) -> str:
    """Without a byte order mark, reasoning before it, and a fence around all of it. Only this wrapping is removed
    from a number or a string."""
    rest = answer[_reasoning_end(answer) :].strip(BLANK)
    if "{" not in rest and "[" not in rest:
        rest = rest[max((closed.end() for closed in END_OF_REASONING.finditer(rest)), default=0) :].strip(BLANK)
    fenced = _FENCED.fullmatch(rest)
    return fenced[1].strip() if fenced else rest


def _reasoning_end(answer: str) -> int:
    """The offset after the reasoning at the start of the answer."""
    at = 0
    while mark := _OPEN.match(answer, at):
        closed = END_OF_REASONING.search(answer, mark.end())
        at = closed.end() if closed else len(answer)
    return at


def _candidates(text: str) -> list[_Candidate]:
    """In order. Values before the end of reasoning, or before a broken value, are drafts and are dropped."""
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
            end = _closing_offset(text, mark.start())
            candidate = _candidate(text, begin, mark.start(), end)
            if candidate:
                found.append(candidate)
            at = end if candidate else _after_broken(text, mark.start(), end, found)
            begin = begin if at == end else at
            unclosed += at != end
    return found if unclosed <= MAX_UNCLOSED else []


def _closing_offset(text: str, start: int) -> int:
    """The offset after the bracket that closes the one at ``start``; 0 if none does."""
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
    """The offset to continue at after brackets without an answer: after the reasoning or the fence around them."""
    fence = None if end else _FENCE_LINE.search(text, start)
    closed = END_OF_REASONING.search(text, start, end or (fence.start() if fence else len(text)))
    if closed or (not end and _LIKE_JSON.match(text, start)):
        found.clear()
    if closed:
        return closed.end()
    return end or (fence.start() if fence else len(text))


def _candidate(text: str, begin: int, start: int, end: int) -> _Candidate | None:
    """The value between ``start`` and ``end``, if it is JSON and may be the answer."""
    loaded = _loaded(text[start:end]) if end else ()
    if not loaded:
        return None
    before, after = text[max(begin, start - CONTEXT_CHARACTERS) : start], text[end : end + CONTEXT_CHARACTERS]
    rank = _rank(before, after)
    if rank and not _is_separate(text[start:end], before, after):
        return None
    return _Candidate(loaded[0], start, end, rank)


def _rank(before: str, after: str) -> int:
    if _IN_FENCE.search(before) and _FENCE_ENDS.match(after):
        return 0
    return 1 if _LINE_BEGINS.search(before) and _LINE_ENDS.match(after) else 2


def _is_separate(value: str, before: str, after: str) -> bool:
    """Whether it is not part of another value, a footnote, a link, an index, or plain brackets within a sentence."""
    if _CONTINUES_BEFORE.search(before) or _CONTINUES_AFTER.match(after):
        return False
    if value[0] == "[" and (_FOOTNOTE.fullmatch(value) or after[:1] in LINKS or _INDEXED.search(before)):
        return False
    return '"' in value or bool(_INTRODUCED.search(before) and _LINE_ENDS.match(after))


def _without_neighbours(text: str, candidates: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """Without values that are separated only by a comma or a line break: these are entries of a list without its
    brackets. The same value twice is one answer, written twice."""
    neighbours = set()
    for first, second in pairwise(candidates):
        same = text[first.start : first.end] == text[second.start : second.end]
        if not same and _BETWEEN.fullmatch(text, first.end, second.start):
            neighbours |= {first.start, second.start}
    return (each for each in candidates if each.start not in neighbours)
