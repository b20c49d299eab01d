"""Answers that must be JSON. After an invalid one the model is asked once more, with the error; then the call fails.

JSON in any usual wrapping is accepted (``domain.llm.json_answers``), and the answer's content is not changed.

The second call is made at once, in the same invocation, and not after a Wait: it needs the validator's error, and no
text passes through the state machine. It counts as a try of its own. Each call has its timeout, and both together end
within ``MAX_TIMEOUT_SECONDS``, so the payload function's own timeout is long enough for both.

A schema's ``pattern`` runs on Python's ``re``, where some patterns take exponential time: checking an answer has
``MAX_CHECK_SECONDS``. After that the call fails at once, since another answer would not make the pattern faster. When
a schema is saved, its patterns are only compiled.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baton.adapters.llm.formats.schemas import JSON_ONLY, Schema, shortened
from baton.adapters.llm.formats.time_bound import OutOfTime, time_bound
from baton.domain.errors import LlmError, LlmFormatInvalid
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS, LlmAnswer, LlmCall
from baton.domain.llm.json_answers import json_values

MIN_SECONDS_FOR_RETRY = 5.0
"""The least time that must be left for a second call."""

MAX_CHECK_SECONDS = 2.0
"""The time limit for checking an answer against its schema."""


@dataclass(frozen=True, slots=True)
class AnswerError:
    """What is wrong with an answer: ``detail`` names the place and quotes nothing; ``correction`` is for the model, and
    empty where a retry can't help."""

    detail: str
    correction: str = ""


def complete_json(
    complete: Callable[[LlmCall], LlmAnswer], call: LlmCall, clock: Callable[[], float] = time.monotonic
) -> LlmAnswer:
    """The first answer that matches the call's response format, after one or two calls.

    :raises LlmFormatInvalid: if neither matches, or there is no time left for a second call.
    """
    began = clock()
    first = complete(call)
    invalid = find_error(first, call)
    if invalid is None:
        return first
    left = MAX_TIMEOUT_SECONDS - (clock() - began)
    if left < MIN_SECONDS_FOR_RETRY or not invalid.correction:
        raise _format_error(call, invalid)
    try:
        second = complete(_retry_call(call, invalid, left))
        invalid = find_error(second, call)
        if invalid is not None:
            raise _format_error(call, invalid)
    except LlmError as error:
        error.calls = 2
        raise
    return replace(
        second,
        prompt_tokens=_sum(first.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(first.completion_tokens, second.completion_tokens),
        format_retries=1,
    )


def find_error(answer: LlmAnswer, call: LlmCall) -> AnswerError | None:
    """Why the answer is not the requested JSON; ``None`` if it is."""
    values = json_values(answer.content)
    if not values:
        cut = ": it was cut off at its end, perhaps by max_tokens" if answer.truncated else ""
        return AnswerError(f"isn't JSON{cut}", f"It was not JSON{cut}.")
    wanted = call.settings.response_format
    return _error_of_all(values, wanted) if isinstance(wanted, Mapping) else None


def _error_of_all(values: Sequence[Any], schema: Schema) -> AnswerError | None:
    """The error of the likeliest value, if none of the values is valid."""
    import jsonschema  # noqa: F401, PLC0415 - cold start; and before the time for checking begins

    try:
        with time_bound(MAX_CHECK_SECONDS):
            first, *others = (_schema_error(value, schema) for value in values)
    except OutOfTime:
        what = "its JSON Schema's pattern" if '"pattern' in json.dumps(schema) else "its JSON Schema"
        return AnswerError(f"can't be checked: {what} took more than {MAX_CHECK_SECONDS:g} s; simplify it")
    return None if None in others else first


def _schema_error(value: Any, schema: Schema) -> AnswerError | None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - cold start: only a call with a schema needs it
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
    try:
        error = best_match(validator.iter_errors(value))
    except (RecursionError, OverflowError, Unresolvable):
        return AnswerError("can't be checked: its JSON Schema's references never end", "It was nested too deep.")
    if error is None:
        return None
    rule = json.dumps({error.validator: error.validator_value}, ensure_ascii=False)[1:-1] if error.validator else ""
    place = shortened(error.json_path)
    return AnswerError(
        f"breaks its JSON Schema at {place}: {shortened(rule) or 'nothing is allowed there'}",
        f"At {place} it broke the JSON Schema: {shortened(error.message)}.",
    )


def _retry_call(call: LlmCall, error: AnswerError, seconds_left: float) -> LlmCall:
    prompt = f"{call.prompt}\n\nYour last answer could not be used. {error.correction} {JSON_ONLY}"
    settings = replace(call.settings, timeout_seconds=min(call.timeout_seconds, seconds_left))
    return replace(call, prompt=prompt, settings=settings, tries=call.tries + 1)


def _format_error(call: LlmCall, error: AnswerError) -> LlmFormatInvalid:
    return LlmFormatInvalid(f"LLM instance {call.endpoint.instance_name!r} sent an answer that {error.detail}.")


def _sum(first: int | None, second: int | None) -> int | None:
    known = [count for count in (first, second) if count is not None]
    return sum(known) if known else None
