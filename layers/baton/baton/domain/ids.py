"""Ids: integers from 1, of bounded length so that zero-padded ids sort as text."""

from __future__ import annotations

import re

ID_DIGITS = 12
MAX_ID = 10**ID_DIGITS - 1

PLAIN_ID = re.compile(rf"[1-9][0-9]{{0,{ID_DIGITS - 1}}}")
"""An id as text: decimal digits without sign, spaces or leading zeros."""
