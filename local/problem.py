"""What can go wrong on the developer's machine."""


class Problem(Exception):
    """A sentence for the person at the keyboard: what is wrong and what to do about it."""
