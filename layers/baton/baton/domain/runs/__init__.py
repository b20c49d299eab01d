"""Runs: what they execute, in which state they are, and what comes next."""
