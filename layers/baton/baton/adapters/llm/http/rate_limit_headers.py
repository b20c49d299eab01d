"""When to retry after a failure, from its headers and body, in the forms in use.

Explicit delays:

- ``retry-after-ms``, ``x-ms-retry-after-ms``: OpenAI, Azure (throttlingRetryStrategy of Azure's own SDKs)
- ``Retry-After`` in seconds or as a date: RFC 9110, 10.2.3
- ``"retryDelay": "38s"`` among the error's ``details``: Gemini (RetryInfo of google/rpc/error_details.proto)

Rate limits: when each is reset, and how much of it remains:

- ``x-ratelimit-reset-tokens: 6m0s``, ``x-ratelimit-remaining-tokens``: OpenAI, Groq
  (https://developers.openai.com/api/docs/guides/rate-limits, https://console.groq.com/docs/rate-limits)
- the same in seconds: Cerebras (https://inference-docs.cerebras.ai/support/rate-limits), and Azure, also with one more
  hyphen, ``x-rate-limit-reset-tokens`` (https://github.com/openai/openai-python/issues/937)
- the same in epoch seconds: DigitalOcean
  (https://docs.digitalocean.com/products/inference/reference/quota-specific-response-headers), as GitHub's
- ``anthropic-ratelimit-input-tokens-reset``, ``…-remaining``, in RFC 3339 dates: Anthropic
  (https://platform.claude.com/docs/en/api/rate-limits)
- ``X-RateLimit-Reset`` in epoch milliseconds: OpenRouter, whose error bodies may contain these headers as well
  (https://github.com/everruns/everruns/pull/2280)
- ``RateLimit-Reset`` in seconds, later ``RateLimit: "default";r=0;t=30``: draft-ietf-httpapi-ratelimit-headers

A reset in seconds is when the limit is fully restored (OpenAI: "to its initial state"), which may take a day, although
part of it is available much sooner. So it is capped at the longest wait of a run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

from baton.domain.runs.steps import MAX_RETRY_AFTER_SECONDS

type Limit = tuple[float | None, float]
"""The remaining amount, ``None`` if unknown, and the seconds until the limit is reset."""

type Error = Mapping[str, Any]
"""The error object in a reply's body."""

NO_ERROR: Error = MappingProxyType({})

MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
SECONDS_BY_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION = re.compile(r"(-?)((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)")
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(\D+)")
FIRST_EPOCH_SECOND = 1e9
FIRST_EPOCH_MILLISECOND = 1e11
"""The smallest numbers read as epoch times: 2001 in seconds, 1973 in milliseconds. Smaller ones are durations."""


def retry_after(headers: Mapping[str, str], now: datetime, error: Error = NO_ERROR) -> float | None:
    """Seconds to wait before a retry, more than 0; ``None`` if the reply has no valid time. Past times are ignored.

    An explicit delay takes precedence. Otherwise it is the longest reset of the exhausted limits or, if none is known
    to be exhausted, of the limits whose remaining amount is unknown. Names in ``headers`` are in lower case.
    """
    all_headers = {**_headers_in(error), **headers}
    delay = next((seconds for seconds in _explicit_delays(all_headers, error, now) if seconds), None)
    return delay or _longest_reset(list(_limits(all_headers, now))) or None


def _headers_in(error: Error) -> dict[str, str]:
    """Headers that OpenRouter puts into the body."""
    metadata = error.get("metadata")
    inside = metadata.get("headers") if isinstance(metadata, Mapping) else None
    return {name.lower(): _text(value) for name, value in inside.items()} if isinstance(inside, Mapping) else {}


def _explicit_delays(headers: Mapping[str, str], error: Error, now: datetime) -> Iterator[float | None]:
    for name in MILLISECONDS:
        milliseconds = _number(headers.get(name, ""))
        yield None if milliseconds is None else max(0.0, milliseconds / 1000)
    yield _seconds(headers.get("retry-after", ""), now)
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and _text(detail.get("@type")).endswith("RetryInfo"):
            yield _duration_seconds(_text(detail.get("retryDelay")))


def _limits(headers: Mapping[str, str], now: datetime) -> Iterator[Limit]:
    """Each header with a reset, paired with the header of the remaining amount."""
    named = {name.replace("rate-limit", "ratelimit"): value for name, value in headers.items()}
    pairs = [
        (named.get(name.replace("reset", "remaining"), ""), value)
        for name, value in named.items()
        if "ratelimit" in name and "reset" in name
    ]
    for remaining, value in (*pairs, *_policies(named.get("ratelimit", ""))):
        reset = _reset(value, now)
        if reset is not None:
            yield _number(remaining), reset


def _policies(header: str) -> Iterator[tuple[str, str]]:
    """The remaining amount and the reset of each policy in a ``RateLimit`` header."""
    for policy in header.split(","):
        parameters = dict(part.strip().partition("=")[::2] for part in policy.split(";"))
        yield parameters.get("r", ""), parameters.get("t", "")


def _longest_reset(limits: Sequence[Limit]) -> float | None:
    exhausted = [reset for remaining, reset in limits if remaining == 0]
    unknown = [reset for remaining, reset in limits if remaining is None]
    return max(exhausted or unknown, default=None)


def _reset(text: str, now: datetime) -> float | None:
    seconds = _duration_seconds(text)
    return _seconds(text, now) if seconds is None else min(seconds, MAX_RETRY_AFTER_SECONDS)


def _seconds(text: str, now: datetime) -> float | None:
    """Seconds from now, for a number of seconds, a duration, or a time in any form."""
    seconds = _duration_seconds(text)
    if seconds is None:
        moment = _epoch(text) or _date(text)
        seconds = None if moment is None else max(0.0, moment - now.timestamp())
    return seconds


def _duration_seconds(text: str) -> float | None:
    """In seconds: a number of them, or a duration such as ``1h2m3.5s``."""
    number = _number(text)
    seconds = _duration(text) if number is None else number
    return None if seconds is None or seconds >= FIRST_EPOCH_SECOND else max(0.0, seconds)


def _duration(text: str) -> float | None:
    found = DURATION.fullmatch(text.strip())
    if found is None:
        return None
    seconds = sum(float(count) * SECONDS_BY_UNIT[unit] for count, unit in DURATION_PART.findall(found[2]))
    return -seconds if found[1] else seconds


def _epoch(text: str) -> float | None:
    """In epoch seconds: a number of them, or of milliseconds."""
    number = _number(text)
    return number / 1000 if number is not None and number >= FIRST_EPOCH_MILLISECOND else number


def _date(text: str) -> float | None:
    """In epoch seconds; a date without a zone is in UTC."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, TypeError, IndexError, OverflowError):  # both raise these for a text that is no date
            date = read(text.strip())
            return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    return None


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
