"""Ids: whole numbers from 1 on, so short that they sort as text once they are padded."""

ID_DIGITS = 12
MAX_ID = 10**ID_DIGITS - 1
