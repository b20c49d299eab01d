"""An LLM without an LLM: offline, without a key, and the same answer for the same call. For demos and tests.

It says how long the prompt was and quotes where it begins and ends, so that one sees answers being handed on; as JSON
where ``response_format`` asks for it, and with values that follow a JSON Schema, if that is a simple one.
Tokens are words. ``max_tokens`` cuts the answer (``finish_reason`` "length"). What it should do otherwise is told by
the options of the instance or of the payload:

| option | meaning |
| --- | --- |
| ``answer`` | this text instead of its own |
| ``delay_seconds`` | take so long; longer than the call's time-out: wait for that long and time out |
| ``throttle_tries`` | refuse this many calls with 429 first (``call.tries`` counts them; nothing is remembered) |
| ``retry_after_seconds`` | the ``Retry-After`` that comes with a 429, 503 or 529 |
| ``fail_status`` | after the delay, answer with this HTTP status (300 to 599) instead |
| ``fail_message`` | the message that comes with it |

Who listens hears its words one by one, spread evenly over the delay; without a delay all at once. A failure that is
told comes without a word.

Other options are ignored, so that ``simulated`` can stand in for any provider.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from baton.adapters.llm.formats.failures import failure_of, timed_out
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.http.wire import FAILURES, HttpReply, encodable
from baton.adapters.llm.providers.simulated.schema_samples import UnsupportedSchema, sample
from baton.domain.errors import LlmError, LlmRefused
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

QUOTED_WORDS = 8
WORD = re.compile(r"^\s+|\S+\s*")
"""With the spaces after it: joined, the words are the text."""

NOW_IS_UNUSED = datetime(2000, 1, 1, tzinfo=UTC)
"""A simulated Retry-After is in seconds, never a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The options of the module's table, checked."""

    answer: str | None = None
    delay_seconds: float = 0
    throttle_tries: int = 0
    retry_after_seconds: float | None = None
    fail_status: int | None = None
    fail_message: str = "A simulated failure."

    @classmethod
    def of(cls, call: LlmCall) -> Simulation:
        """Raises ``LlmRefused`` naming the first option of the wrong type."""
        for refusal in _option_refusals(call.settings):
            raise _refused(call, f"its {refusal.detail}")
        return cls(**_said(call.settings))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_failure_status(value: object) -> bool:
    return isinstance(value, int) and value in FAILURES


CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "answer": (_is_text, "a text"),
    "delay_seconds": (_is_seconds, "a number of seconds"),
    "throttle_tries": (_is_whole, "a whole number"),
    "retry_after_seconds": (_is_seconds, "a number of seconds"),
    "fail_status": (_is_failure_status, "an HTTP status from 300 to 599"),
    "fail_message": (_is_text, "a text"),
}


def unsupported_settings(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    """Options of the wrong type, and JSON Schemas that no answer can be made up for."""
    yield from _option_refusals(settings)
    wanted = settings.response_format
    if isinstance(wanted, Mapping) and settings.options.get("answer") is None:
        try:
            sample(wanted, "", 0)
        except UnsupportedSchema as error:
            yield UnsupportedSetting("response_format", f"simulated can't make up {error}; give it the option 'answer'")


def _option_refusals(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    for name, value in _said(settings).items():
        right, meaning = CHECKS[name]
        if not right(value):
            yield UnsupportedSetting("options", f"option {name!r} must be {meaning}")


def _said(settings: LlmSettings) -> dict[str, Any]:
    """The options that are this provider's; ``None`` means: not said."""
    return {name: settings.options[name] for name in CHECKS if settings.options.get(name) is not None}


def _refused(call: LlmCall, what: str) -> LlmRefused:
    return LlmRefused(f"LLM instance {call.endpoint.instance_name!r} is simulated; {what}.")


def complete(
    call: LlmCall,
    listener: AnswerListener | None = None,
    _transport: HttpTransport = PUBLIC_ONLY,
    sleep: Callable[[float], None] = time.sleep,
) -> LlmAnswer:
    """Answer or fail as the options say. Raises ``LlmError``, and what the listener raises."""
    told = Simulation.of(call)
    if listener is not None:
        listener.on_start()
    if call.tries < told.throttle_tries:
        raise _failure(call, 429, "A simulated rate limit.", told)
    if told.fail_status is not None:
        _wait(call, told.delay_seconds, sleep)
        raise _failure(call, told.fail_status, told.fail_message, told)
    answer = _answer(call, _made_up(call) if told.answer is None else told.answer)
    if listener is None:
        _wait(call, told.delay_seconds, sleep)
    else:
        _say(call, answer.content, told.delay_seconds, sleep, listener)
    return answer


def check(call: LlmCall, _transport: HttpTransport = PUBLIC_ONLY) -> tuple[str, ...]:
    """The one model there is."""
    return (call.endpoint.model,)


def _failure(call: LlmCall, status: int, message: str, told: Simulation) -> LlmError:
    """Made into a reply first, so that the simulation goes through the same table as the real thing."""
    seconds = told.retry_after_seconds
    headers = {} if seconds is None else {"retry-after": f"{seconds}"}
    body = json.dumps({"error": {"message": message}}).encode()
    return failure_of(HttpReply(status=status, headers=headers, body=body), call, NOW_IS_UNUSED)


def _wait(call: LlmCall, seconds: float, sleep: Callable[[float], None]) -> None:
    if seconds:
        sleep(min(seconds, call.timeout_seconds))
    if seconds > call.timeout_seconds:
        raise timed_out(call.endpoint.instance_name, call.timeout_seconds)


def _say(call: LlmCall, text: str, seconds: float, sleep: Callable[[float], None], listener: AnswerListener) -> None:
    """Each word after its share of the delay, as far as the call's time-out lets them."""
    words = WORD.findall(text) or [""] if seconds else [text]
    pause = seconds / len(words)
    in_time = len(words) if seconds <= call.timeout_seconds else int(call.timeout_seconds / pause)
    for word in words[:in_time]:
        if pause:
            sleep(pause)
        if word:
            listener.on_text(word)
    if seconds > call.timeout_seconds:
        sleep(max(0.0, call.timeout_seconds - in_time * pause))
        raise timed_out(call.endpoint.instance_name, call.timeout_seconds)


def _made_up(call: LlmCall) -> str:
    """What it has to say, in the format that is asked for."""
    words = call.prompt.split()
    match call.settings.response_format:
        case None | "text":
            return _own_answer(call)
        case "json":
            return _json({"words": len(words), "first": "".join(words[:1]), "last": "".join(words[-1:])})
        case schema:
            try:
                return _json(sample(schema, _own_answer(call), len(words)))
            except UnsupportedSchema as error:
                raise _refused(call, f"it can't make up {error} for the JSON Schema") from None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _own_answer(call: LlmCall) -> str:
    words = call.prompt.split()
    counted = f"{len(words):,} word" + ("" if len(words) == 1 else "s")
    begin, end = " ".join(words[:QUOTED_WORDS]), " ".join(words[-QUOTED_WORDS:])
    if not words:
        return f"{call.model} was given an empty prompt."
    if len(words) <= QUOTED_WORDS:
        return f"{call.model} read {counted}: “{begin}”."
    return f"{call.model} read {counted}, from “{begin} …” to “… {end}”."


def _answer(call: LlmCall, text: str) -> LlmAnswer:
    content, finish_reason = _cut(encodable(text), call.settings.max_tokens)
    asked = f"{call.settings.system or ''} {call.prompt}"
    return LlmAnswer(
        content=content,
        model=call.model,
        prompt_tokens=len(asked.split()),
        completion_tokens=len(content.split()),
        finish_reason=finish_reason,
    )


def _cut(text: str, max_tokens: int | None) -> tuple[str, str]:
    """The text and its finish reason; spaces and line breaks between the words that are kept stay as they are."""
    ends = [word.end() for word in re.finditer(r"\S+", text)]
    if max_tokens is None or len(ends) <= max_tokens:
        return text, "stop"
    return text[: ends[max_tokens - 1]] if max_tokens > 0 else "", "length"
