"""Answers that are to be JSON. A broken one is asked for once more, with what is wrong with it, and then it fails.

The second call is made at once, in the same invocation, and not after a Wait: what it needs is what the validator said
about the first answer, and no text travels through the state machine. It counts as a try of its own. Each call has its
time-out, and both together end within the longest that one call may take, so the time-outs nest as before.

A schema's ``pattern`` runs on Python's ``re``, without a bound: one that needs for ever ends with the function.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Never

from baton.adapters.llm.schemas import JSON_ONLY, Schema, shortened
from baton.domain.errors import LlmError, LlmFormatBroken
from baton.domain.llm import MAX_TIMEOUT_SECONDS, LlmAnswer, LlmCall
from baton.domain.prompts import json_text

MIN_SECONDS = 5.0
"""With less than this left, the model isn't asked again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an answer: ``sentence`` names the place and quotes nothing; ``detail`` is for the model."""

    sentence: str
    detail: str


def ask(
    complete: Callable[[LlmCall], LlmAnswer], call: LlmCall, clock: Callable[[], float] = time.monotonic
) -> LlmAnswer:
    """The answer, if it is what the call's response format demands at the first or at the second time."""
    began = clock()
    first = complete(call)
    found = fault(first, call)
    if found is None:
        return first
    left = MAX_TIMEOUT_SECONDS - (clock() - began)
    if left < MIN_SECONDS:
        raise _broken(call, found)
    try:
        second = complete(_again(call, found, left))
        found = fault(second, call)
        if found is not None:
            raise _broken(call, found)
    except LlmError as error:
        error.calls = 2
        raise
    return replace(
        second,
        prompt_tokens=_sum(first.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(first.completion_tokens, second.completion_tokens),
        format_retries=1,
    )


def fault(answer: LlmAnswer, call: LlmCall) -> Fault | None:
    """What keeps the answer from being the JSON that was asked for; ``None`` if nothing does."""
    try:
        value = json.loads(json_text(answer.content), parse_constant=_no_number)
    except (ValueError, RecursionError):
        cut = ": it was cut off at its end, perhaps by max_tokens" if answer.truncated else ""
        return Fault(f"isn't JSON{cut}", f"It was not JSON{cut}.")
    wanted = call.settings.response_format
    return _schema_fault(value, wanted) if isinstance(wanted, Mapping) else None


def _schema_fault(value: Any, schema: Schema) -> Fault | None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - cold start: only a call with a schema needs it
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
    try:
        error = best_match(validator.iter_errors(value))
    except (RecursionError, OverflowError, Unresolvable):
        return Fault("can't be checked: its JSON Schema leads on without end", "It was nested too deep.")
    if error is None:
        return None
    rule = json.dumps({error.validator: error.validator_value}, ensure_ascii=False)[1:-1] if error.validator else ""
    place = shortened(error.json_path)
    return Fault(
        f"breaks its JSON Schema at {place}: {shortened(rule) or 'nothing is allowed there'}",
        f"At {place} it broke the JSON Schema: {shortened(error.message)}.",
    )


def _again(call: LlmCall, found: Fault, left: float) -> LlmCall:
    asked = f"{call.prompt}\n\nYour last answer could not be used. {found.detail} {JSON_ONLY}"
    settings = replace(call.settings, timeout_seconds=min(call.timeout_seconds, left))
    return replace(call, prompt=asked, settings=settings, tries=call.tries + 1)


def _broken(call: LlmCall, found: Fault) -> LlmFormatBroken:
    return LlmFormatBroken(f"LLM instance {call.endpoint.instance_name!r} gave an answer that {found.sentence}.")


def _sum(first: int | None, second: int | None) -> int | None:
    known = [count for count in (first, second) if count is not None]
    return sum(known) if known else None


def _no_number(name: str) -> Never:
    """JSON has neither ``NaN`` nor ``Infinity``; Python's parser does."""
    raise ValueError(name)
