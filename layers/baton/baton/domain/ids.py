"""Ids: whole numbers from 1 on, so short that they sort as text once they are padded."""

from __future__ import annotations

import re

ID_DIGITS = 12
MAX_ID = 10**ID_DIGITS - 1

PLAIN_ID = re.compile(rf"[1-9][0-9]{{0,{ID_DIGITS - 1}}}")
"""An id as text, in the one form that there is."""
