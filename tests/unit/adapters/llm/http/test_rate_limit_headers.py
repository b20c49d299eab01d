"""How long to wait after a rate limit, in all forms that endpoints send."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baton.adapters.llm.http.rate_limit_headers import retry_after
from baton.domain.runs.steps import MAX_RETRY_AFTER_SECONDS

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EPOCH = round(NOW.timestamp())

type Headers = dict[str, str]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "-0.0"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after-ms": "0"}, None),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"x-ms-retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30.0),
        ({"retry-after": "Friday, 02-Jan-26 03:04:35 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 -0000"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 12:04:35 +0900"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 02:00:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 1900 00:00:00 GMT"}, None),
        ({"retry-after": f"{EPOCH + 7}"}, 7.0),
        ({"retry-after": "90000"}, 90_000.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Fri, 02 Jan 20260000000000000000 03:04:35 GMT"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: Headers, seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_a_date_counts_from_now_in_any_zone() -> None:
    here = NOW.astimezone(timezone(timedelta(hours=9)))
    assert retry_after({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, here) == 30.0


def openai(reset: str, remaining: str = "0", what: str = "tokens") -> Headers:
    return {f"x-ratelimit-remaining-{what}": remaining, f"x-ratelimit-reset-{what}": reset}


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("120ms", 0.12),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("0h2m3.5s", 123.5),
        ("1h", 3600.0),
        ("55", 55.0),
        ("11.382867097854614", 11.382867097854614),
        ("-1s", None),
        ("0", None),
        (f"{EPOCH + 20}", 20.0),
        (f"{EPOCH - 20}", None),
        ("s", None),
        ("1s and a bit", None),
        ("1m1", None),
        ("9" * 400 + "h", None),
    ],
)
def test_a_reset_is_a_duration_a_number_of_seconds_or_a_time(reset: str, seconds: float | None) -> None:
    assert retry_after(openai(reset), NOW) == seconds


@pytest.mark.parametrize("kind", ["requests", "tokens", "input-tokens", "output-tokens"])
def test_anthropics_resets_are_dates(kind: str) -> None:
    for reset, seconds in (("2026-01-02T03:04:35Z", 30.0), ("2026-01-02T03:04:05.500+00:00", 0.5), ("never", None)):
        headers = {f"anthropic-ratelimit-{kind}-remaining": "0", f"anthropic-ratelimit-{kind}-reset": reset}
        assert retry_after(headers, NOW) == seconds


OPENROUTER = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{EPOCH + 90}000"}


def test_openrouters_milliseconds_are_found_in_headers_and_in_the_error() -> None:
    assert retry_after({name.lower(): value for name, value in OPENROUTER.items()}, NOW) == 90.0
    assert retry_after({}, NOW, {"metadata": {"headers": OPENROUTER}}) == 90.0
    upstream = {"metadata": {"headers": {"Retry-After": 17, "X-RateLimit-Reset": []}}}
    assert retry_after({}, NOW, upstream) == 17.0
    assert retry_after({"retry-after": "3"}, NOW, upstream) == 3.0, "the reply's own headers count first"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30.0),
        ({"ratelimit-remaining": "4", "ratelimit-reset": "30"}, None),
        ({"ratelimit": '"default";r=0;t=30'}, 30.0),
        ({"ratelimit": '"burst";r=0;t=5, "daily" ; r=0 ; t=60;pk=:YQ==:, "other";r=1;t=90'}, 60.0),
        ({"ratelimit": '"a, b";r=0;t=30'}, 30.0),
        ({"ratelimit": '"default";r=7;t=30'}, None),
        ({"ratelimit": '"default";t=30'}, 30.0),
        ({"ratelimit": '"default";r=0'}, None),
        ({"ratelimit": ";;=,=;"}, None),
    ],
)
def test_the_fields_of_the_ietf_draft_are_read(headers: Headers, seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}], 38.0),
        ([{"@type": "…QuotaFailure"}, {"@type": "…RetryInfo", "retryDelay": "0.837906089s"}], 0.837906089),
        ([{"@type": "…RetryInfo"}], None),
        ([{"@type": "…RetryInfo", "retryDelay": {}}, 5, {}], None),
        ({"retryDelay": "38s"}, None),
    ],
)
def test_googles_retry_info_is_read(details: Any, seconds: float | None) -> None:
    error = {"details": details}
    assert retry_after({}, NOW, error) == seconds
    assert retry_after({"retry-after": "2"}, NOW, error) == 2.0
    assert retry_after(openai("6m0s"), NOW, error) == (360.0 if seconds is None else seconds)


def test_retry_after_has_priority_over_resets() -> None:
    assert retry_after(openai("6m0s") | {"retry-after": "2"}, NOW) == 2.0
    assert retry_after(openai("6m0s") | {"retry-after": "soon"}, NOW) == 360.0


def test_the_longest_reset_of_the_exhausted_limits_is_used() -> None:
    both = openai("1s", what="requests") | openai("20s")
    assert retry_after(both, NOW) == 20.0
    assert retry_after(both | openai("6m0s", "150", "tokens-per-day"), NOW) == 20.0


def test_resets_of_other_limits_are_ignored() -> None:
    assert retry_after(openai("6m0s", "149984"), NOW) is None
    assert retry_after(openai("0", "-1"), NOW) is None, "Azure: not known"


def test_a_single_reset_is_used_if_no_limit_is_exhausted() -> None:
    azure = {"x-rate-limit-reset-tokens": "55", "x-ratelimit-remaining-requests": "119"}
    assert retry_after(azure, NOW) == 55.0
    assert retry_after(openai("20s", "some"), NOW) == 20.0
    assert retry_after(azure | openai("1s", what="requests"), NOW) == 1.0


def test_a_wait_of_a_day_is_capped() -> None:
    """A bucket of 200 requests a day is full after a day, and has one request after seven minutes."""
    assert retry_after(openai("23h59m45s", what="requests"), NOW) == MAX_RETRY_AFTER_SECONDS
    assert retry_after(openai("33011.38", what="requests-day"), NOW) == MAX_RETRY_AFTER_SECONDS
    assert retry_after(openai(f"{EPOCH + 90_000}", what="requests"), NOW) == 90_000, "a time is used unchanged"


NAMES = st.sampled_from(
    [
        *[
            "retry-after",
            "retry-after-ms",
            "x-ms-retry-after-ms",
            "ratelimit",
            "ratelimit-reset",
            "ratelimit-remaining",
        ],
        *["x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens", "x-rate-limit-reset", "x-ratelimit-reset"],
        *["anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"],
    ]
)
NUMBERS = st.integers(-(10**30), 10**30).map(str) | st.floats().map(str)
DURATIONS = st.lists(NUMBERS.flatmap(lambda number: st.sampled_from([f"{number}{unit}" for unit in "hms"])), max_size=3)
DATES = st.datetimes().map(str) | st.datetimes().map(lambda date: f"{date:%a, %d %b %Y %H:%M:%S} -1200")
POLICIES = st.tuples(NUMBERS, NUMBERS).map(lambda numbers: f'"a";r={numbers[0]};t={numbers[1]}, "b";r=0')
TEXTS = st.just("0") | NUMBERS | DURATIONS.map("".join) | DATES | POLICIES | st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "headers", "details", "@type", "retryDelay", "Retry-After"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
ERRORS = st.dictionaries(st.sampled_from(["metadata", "details", "message"]), JSON, max_size=3)


@given(headers=st.dictionaries(NAMES, TEXTS, max_size=5), error=ERRORS)
@example(headers={"x-ratelimit-reset": "0001-01-01T00:00:00+14:00"}, error={})
@example(headers={"retry-after": "9999-12-31T23:59:59-23:59"}, error={})
@example(headers={"retry-after": "1" * 60_000}, error={})
@example(headers={"x-ratelimit-reset": "1s" * 30_000 + "x", "ratelimit": ";" * 60_000}, error={})
def test_any_headers_yield_a_wait_or_none(headers: Headers, error: dict[str, Any]) -> None:
    seconds = retry_after(headers, NOW, error)
    assert seconds is None or (seconds > 0 and math.isfinite(seconds))
