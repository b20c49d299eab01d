"""A simulated LLM for demos and tests: offline, without a key, with the same answer for the same call.

The answer contains the prompt's number of words, and its first and last words, so that demos show answers passed from
payload to payload. It is JSON if ``response_format`` requests it, with values that follow a simple JSON Schema. Tokens
are words. ``max_tokens`` cuts the answer (``finish_reason`` "length"). Options of the instance or payload change it:

| option | meaning |
| --- | --- |
| ``answer`` | answer with this text |
| ``delay_seconds`` | answer after this delay; if it is over the call's timeout, time out |
| ``throttle_tries`` | fail this many calls with 429 first (counted by ``call.tries``; there is no state) |
| ``retry_after_seconds`` | the ``Retry-After`` header of a 429, 503 or 529 |
| ``fail_status`` | after the delay, answer with this HTTP status (300 to 599) instead |
| ``fail_message`` | the message of this failure |

A listener receives the words one by one, spread evenly over the delay; without a delay all at once. A simulated failure
has no text.

Other options are ignored, so that ``simulated`` can replace any provider.
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

from baton.adapters.llm.formats.failures import failure_of
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.http.wire import FAILURES, HttpReply, encodable, timed_out
from baton.adapters.llm.providers.simulated.schema_samples import UnsupportedSchema, sample
from baton.domain.errors import LlmError, LlmRefused
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

QUOTED_WORDS = 8
WORD = re.compile(r"^\s+|\S+\s*")
"""A word includes the spaces after it: joined, the words are the text."""

NOT_SPACES = re.compile(r"\S+")

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
        """The simulation that the call's options describe.

        :raises LlmRefused: if an option has the wrong type.
        """
        for unsupported in _unsupported_options(call.settings):
            raise _refused(call, f"its {unsupported.detail}")
        return cls(**_options(call.settings))


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
    """Options of the wrong type, and JSON Schemas for which no answer can be generated."""
    yield from _unsupported_options(settings)
    wanted = settings.response_format
    if isinstance(wanted, Mapping) and settings.options.get("answer") is None:
        try:
            sample(wanted, "", 0)
        except UnsupportedSchema as error:
            yield UnsupportedSetting("response_format", f"simulated can't generate {error}; set the option 'answer'")


def _unsupported_options(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    for name, value in _options(settings).items():
        is_valid, meaning = CHECKS[name]
        if not is_valid(value):
            yield UnsupportedSetting("options", f"option {name!r} must be {meaning}")


def _options(settings: LlmSettings) -> dict[str, Any]:
    """The options in ``CHECKS`` that are set; ``None`` is not set."""
    return {name: settings.options[name] for name in CHECKS if settings.options.get(name) is not None}


def _refused(call: LlmCall, what: str) -> LlmRefused:
    return LlmRefused(f"LLM instance {call.endpoint.instance_name!r} is simulated; {what}.")


def complete(
    call: LlmCall,
    listener: AnswerListener | None = None,
    _transport: HttpTransport = PUBLIC_ONLY,
    sleep: Callable[[float], None] = time.sleep,
) -> LlmAnswer:
    """Answer or fail, as the options specify. Raises ``LlmError``, and what the listener raises."""
    simulation = Simulation.of(call)
    if listener is not None:
        listener.on_start()
    if call.tries < simulation.throttle_tries:
        raise _failure(call, 429, "A simulated rate limit.", simulation)
    if simulation.fail_status is not None:
        _wait(call, simulation.delay_seconds, sleep)
        raise _failure(call, simulation.fail_status, simulation.fail_message, simulation)
    answer = _answer(call, _generated(call) if simulation.answer is None else simulation.answer)
    if listener is None:
        _wait(call, simulation.delay_seconds, sleep)
    else:
        _stream(call, answer.content, simulation.delay_seconds, sleep, listener)
    return answer


def check(call: LlmCall, _transport: HttpTransport = PUBLIC_ONLY) -> tuple[str, ...]:
    """The instance's own model."""
    return (call.endpoint.model,)


def _failure(call: LlmCall, status: int, message: str, simulation: Simulation) -> LlmError:
    """Through an HTTP reply, so that simulated failures are classified like real ones."""
    seconds = simulation.retry_after_seconds
    headers = {} if seconds is None else {"retry-after": f"{seconds}"}
    body = json.dumps({"error": {"message": message}}).encode()
    return failure_of(HttpReply(status=status, headers=headers, body=body), call, NOW_IS_UNUSED)


def _wait(call: LlmCall, seconds: float, sleep: Callable[[float], None]) -> None:
    if seconds:
        sleep(min(seconds, call.timeout_seconds))
    if seconds > call.timeout_seconds:
        raise timed_out(call.endpoint.instance_name, call.timeout_seconds)


def _stream(call: LlmCall, text: str, seconds: float, sleep: Callable[[float], None], listener: AnswerListener) -> None:
    """Publish each word after its share of the delay, until the call's timeout."""
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


def _generated(call: LlmCall) -> str:
    """The simulation's own answer in the requested format."""
    count = _count(call.prompt)
    match call.settings.response_format:
        case None | "text":
            return _summary(call)
        case "json":
            first, last = _first_words(call.prompt, 1), _last_words(call.prompt, 1)
            return _json({"words": count, "first": "".join(first), "last": "".join(last)})
        case schema:
            try:
                return _json(sample(schema, _summary(call), count))
            except UnsupportedSchema as error:
                raise _refused(call, f"it can't generate {error} for the JSON Schema") from None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _summary(call: LlmCall) -> str:
    count = _count(call.prompt)
    counted = f"{count:,} word" + ("" if count == 1 else "s")
    begin = " ".join(_first_words(call.prompt, QUOTED_WORDS))
    end = " ".join(_last_words(call.prompt, QUOTED_WORDS))
    if not count:
        return f"{call.model} was given an empty prompt."
    if count <= QUOTED_WORDS:
        return f"{call.model} read {counted}: “{begin}”."
    return f"{call.model} read {counted}, from “{begin} …” to “… {end}”."


def _answer(call: LlmCall, text: str) -> LlmAnswer:
    content, finish_reason = _cut(encodable(text), call.settings.max_tokens)
    return LlmAnswer(
        content=content,
        model=call.model,
        prompt_tokens=_count(call.settings.system or "") + _count(call.prompt),
        completion_tokens=_count(content),
        finish_reason=finish_reason,
    )


def _count(text: str) -> int:
    """The number of words, without a list of them: a long prompt has millions."""
    return sum(1 for _ in NOT_SPACES.finditer(text))


def _first_words(text: str, count: int) -> list[str]:
    return text.split(maxsplit=count)[:count]


def _last_words(text: str, count: int) -> list[str]:
    return text.rsplit(maxsplit=count)[-count:]


def _cut(text: str, max_tokens: int | None) -> tuple[str, str]:
    """The text, cut to ``max_tokens`` words, and its finish reason; white space between words is preserved."""
    ends = [word.end() for word in NOT_SPACES.finditer(text)]
    if max_tokens is None or len(ends) <= max_tokens:
        return text, "stop"
    return text[: ends[max_tokens - 1]] if max_tokens > 0 else "", "length"
