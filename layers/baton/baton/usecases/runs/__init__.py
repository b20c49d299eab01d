"""Start, execute and change runs."""
