"""Long texts in memory."""

from __future__ import annotations


class FakeTexts:
    """A LongTexts. ``bytes_read`` counts the bytes read so far."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self._texts: list[str] = []

    def put(self, text: str) -> str:
        """Store a text and return its key."""
        self._texts.append(text)
        return str(len(self._texts) - 1)

    def beginning(self, key: str, max_bytes: int) -> str:
        some = self._texts[int(key)].encode()[:max_bytes]
        self.bytes_read += len(some)
        return some.decode(errors="ignore")

    def url(self, key: str, seconds: int) -> str:
        return f"https://texts.test/{key}?for={seconds}"
