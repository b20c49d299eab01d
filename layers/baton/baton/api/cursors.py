"""Cursors: where the next page of a list starts. Opaque to clients, and valid for one list only."""

from __future__ import annotations

import base64
import binascii
import re

from baton.domain.errors import Invalid
from baton.domain.ids import ID_DIGITS

CURSOR_ID = re.compile(rf"0|[1-9][0-9]{{0,{ID_DIGITS - 1}}}")
"""An id or a position; positions start at 0."""


def encode(listed: str, after: int | None) -> str | None:
    """The cursor of the page after an id, for the list with the name ``listed``; ``None`` at the end of the list."""
    if after is None:
        return None
    return base64.urlsafe_b64encode(f"{listed}:{after}".encode()).decode().rstrip("=")


def decode(listed: str, cursor: str | None) -> int | None:
    """The id after which the page starts.

    :raises Invalid: if the cursor was not returned by this list.
    """
    if cursor is None:
        return None
    try:
        kind, _, after = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        if kind == listed and CURSOR_ID.fullmatch(after):
            return int(after)
    except (binascii.Error, ValueError):
        pass
    raise Invalid("cursor", "was not returned by this list; request the first page without a cursor.")
