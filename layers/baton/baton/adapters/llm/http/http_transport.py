"""How providers send requests: one value with the host policy in it. Importing it imports no HTTP library."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from baton.adapters.llm.http.server_sent_events import is_stream as is_event_stream
from baton.adapters.llm.http.wire import HttpReply, HttpRequest
from baton.domain.llm.hosts import HostPolicy

if TYPE_CHECKING:
    from baton.adapters.llm.http.transport import Chunks


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """Sends requests to the hosts that its policy allows; by default to public hosts only, over https."""

    host_policy: HostPolicy = field(default_factory=HostPolicy)

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpReply:
        """As :func:`baton.adapters.llm.http.transport.send`."""
        from baton.adapters.llm.http.transport import send  # noqa: PLC0415 - cold start: simulated runs never import requests

        return send(request, timeout_seconds, self.host_policy)

    def stream(
        self,
        request: HttpRequest,
        timeout_seconds: float,
        is_stream: Callable[[bytes], bool | None] = is_event_stream,
    ) -> AbstractContextManager[HttpReply | Chunks]:
        """As :func:`baton.adapters.llm.http.transport.stream`."""
        from baton.adapters.llm.http.transport import stream  # noqa: PLC0415 - cold start: simulated runs never import requests

        return stream(request, timeout_seconds, self.host_policy, is_stream=is_stream)


PUBLIC_ONLY = HttpTransport()
"""The default everywhere: code that passes no transport reaches public hosts only."""
