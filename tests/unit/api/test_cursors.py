"""Cursors: a list accepts only cursors that it has returned."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.api.cursors import decode, encode
from baton.domain.errors import Invalid


@given(st.sampled_from(["runs", "blocks", "responses of 7"]), st.integers(0, 999_999_999_999))
def test_a_cursor_is_decoded_to_its_id(listed: str, after: int) -> None:
    cursor = encode(listed, after)
    assert cursor is not None
    assert decode(listed, cursor) == after


def test_the_end_and_the_beginning_of_a_list_have_no_cursor() -> None:
    assert encode("runs", None) is None
    assert decode("runs", None) is None


def test_a_cursor_is_rejected_by_another_list() -> None:
    with pytest.raises(Invalid, match="cursor: was not returned by this list"):
        decode("responses of 8", encode("responses of 7", 3))


def forged(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *["", "x", "é", "=", "====", "????", "AAAAA", "gICA", "\ud800"],
        *[forged("runs"), forged("runs:"), forged("runs:-1"), forged("runs:x"), forged("runs:1.5"), forged("runs:٣")],
        *[forged("runs: 1"), forged("Runs:1"), forged("runs:1:2"), forged("runs:" + "9" * 5000)],
    ],
)
def test_a_cursor_that_no_list_has_returned_is_rejected(cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor: was not returned by this list"):
        decode("runs", cursor)


def test_a_cursor_with_an_impossible_id_is_rejected() -> None:
    """A number in DynamoDB has at most 38 digits."""
    with pytest.raises(Invalid, match="cursor: was not returned by this list"):
        decode("runs", forged("runs:" + "9" * 60))


@given(st.text())
def test_arbitrary_text_is_rejected(cursor: str) -> None:
    with pytest.raises(Invalid):
        decode("runs", cursor)
