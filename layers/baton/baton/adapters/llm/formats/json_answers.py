"""Answers that are to be JSON. A broken one is asked for once more, with what is wrong with it, and then it fails.

JSON in any usual wrapping is taken (``domain.json_answers``), and the answer's content stays as the model wrote it.

The second call is made at once, in the same invocation, and not after a Wait: what it needs is what the validator said
about the first answer, and no text travels through the state machine. It counts as a try of its own. Each call has its
time-out, and both together end within the longest that one call may take, so the time-outs nest as before.

A schema's ``pattern`` runs on Python's ``re``, where some need for ever: checking an answer has ``MAX_CHECK_SECONDS``.
After that it fails at once, since no other answer would make the pattern a faster one. The check of a schema that is
saved only compiles its patterns.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baton.adapters.llm.formats.schemas import JSON_ONLY, Schema, shortened
from baton.adapters.llm.formats.time_bound import OutOfTime, time_bound
from baton.domain.errors import LlmError, LlmFormatBroken
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS, LlmAnswer, LlmCall
from baton.domain.llm.json_answers import json_values

MIN_SECONDS = 5.0
"""With less than this left, the model isn't asked again."""

MAX_CHECK_SECONDS = 2.0
"""For checking an answer against its schema."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with an answer: ``sentence`` names the place and quotes nothing; ``detail`` is for the model,
    and empty where asking again doesn't help."""

    sentence: str
    detail: str = ""


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
    if left < MIN_SECONDS or not found.detail:
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


def fault(answer: LlmAnswer, call: LlmCall) -> FieldError | None:
    """What keeps the answer from being the JSON that was asked for; ``None`` if nothing does."""
    values = json_values(answer.content)
    if not values:
        cut = ": it was cut off at its end, perhaps by max_tokens" if answer.truncated else ""
        return FieldError(f"isn't JSON{cut}", f"It was not JSON{cut}.")
    wanted = call.settings.response_format
    return _fault_of_all(values, wanted) if isinstance(wanted, Mapping) else None


def _fault_of_all(values: Sequence[Any], schema: Schema) -> FieldError | None:
    """That of the likeliest value, if none of them follows the schema."""
    import jsonschema  # noqa: F401, PLC0415 - cold start; and its import is no part of the time for checking

    try:
        with time_bound(MAX_CHECK_SECONDS):
            first, *others = (_schema_fault(value, schema) for value in values)
    except OutOfTime:
        what = "its JSON Schema's pattern" if '"pattern' in json.dumps(schema) else "its JSON Schema"
        return FieldError(f"can't be checked: {what} took more than {MAX_CHECK_SECONDS:g} s; simplify it")
    return None if None in others else first


def _schema_fault(value: Any, schema: Schema) -> FieldError | None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - cold start: only a call with a schema needs it
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
    try:
        error = best_match(validator.iter_errors(value))
    except (RecursionError, OverflowError, Unresolvable):
        return FieldError("can't be checked: its JSON Schema leads on without end", "It was nested too deep.")
    if error is None:
        return None
    rule = json.dumps({error.validator: error.validator_value}, ensure_ascii=False)[1:-1] if error.validator else ""
    place = shortened(error.json_path)
    return FieldError(
        f"breaks its JSON Schema at {place}: {shortened(rule) or 'nothing is allowed there'}",
        f"At {place} it broke the JSON Schema: {shortened(error.message)}.",
    )


def _again(call: LlmCall, found: FieldError, left: float) -> LlmCall:
    asked = f"{call.prompt}\n\nYour last answer could not be used. {found.detail} {JSON_ONLY}"
    settings = replace(call.settings, timeout_seconds=min(call.timeout_seconds, left))
    return replace(call, prompt=asked, settings=settings, tries=call.tries + 1)


def _broken(call: LlmCall, found: FieldError) -> LlmFormatBroken:
    return LlmFormatBroken(f"LLM instance {call.endpoint.instance_name!r} gave an answer that {found.sentence}.")


def _sum(first: int | None, second: int | None) -> int | None:
    known = [count for count in (first, second) if count is not None]
    return sum(known) if known else None
