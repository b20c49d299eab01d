"""Errors of the local stack's commands."""


class Problem(Exception):
    """An error for the user of a command: what is wrong and what to do."""
