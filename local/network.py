"""Ports and HTTP servers on this machine."""

import socket
import urllib.error
import urllib.request
from contextlib import suppress

LOOPBACK = "127.0.0.1"
LOWEST_PORT, HIGHEST_PORT = 1024, 65535


def is_in_use(port: int) -> bool:
    """Whether a program accepts connections at any address of localhost, since it could receive our requests."""
    with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def status_of(url: str) -> int | None:
    """The HTTP status of a GET without a proxy; ``None`` if there is no response."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def post(url: str, seconds: float) -> tuple[int | None, bytes]:
    """The HTTP status and body of a POST without a proxy and body; ``None`` if there is no response."""
    request = urllib.request.Request(url, method="POST")  # noqa: S310 - of this machine
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=seconds) as response:
            return int(response.status), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return None, b""
