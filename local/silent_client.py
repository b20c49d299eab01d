"""A WebSocket client that connects and then reads nothing."""

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from local.problem import Problem

SMALL_BUFFER = 4096


@contextmanager
def silent_client(url: str) -> Iterator[socket.socket]:
    """Its socket, open inside the block; its buffer is small, so that the server soon has to wait for it."""
    parts = urlsplit(url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        connection.settimeout(60)
        connection.connect((socket.gethostbyname(parts.hostname or ""), parts.port))
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            reply += connection.recv(1)
        if not reply.startswith(b"HTTP/1.1 101 "):
            raise Problem(f"The WebSocket was not opened: {reply.decode(errors='replace')}")
        yield connection


def read_to_the_end(connection: socket.socket) -> int:
    """Read until the server closes the connection; how many bytes it had sent."""
    read = 0
    while chunk := connection.recv(65_536):
        read += len(chunk)
    return read
