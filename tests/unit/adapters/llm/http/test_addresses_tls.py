"""The connection uses the resolved address, and the certificate is checked against the name."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from baton.adapters.llm.http import transport
from baton.adapters.llm.http.wire import HttpRequest
from baton.domain.errors import LlmRefused
from tests.support.llm_calls import send

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]

NAME = "model.example"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of ``model.example``, valid for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "model.pem"
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(written + made.public_bytes(serialization.Encoding.PEM))
    return file


class TlsEndpoint:
    """Sends one response per connection; ``names`` are those that clients sent in the TLS handshake (SNI)."""

    def __init__(self, certificate: Path) -> None:
        self.names: list[str | None] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self.listening.accept()
            except OSError:
                return
            plain.settimeout(5)
            with plain, suppress(OSError), self.context.wrap_socket(plain, server_side=True) as connection:
                read_all(connection)
                connection.sendall(REPLY)


def read_all(connection: ssl.SSLSocket) -> None:
    """Read to the end of the body, since an earlier close would reset the connection."""
    read = b""
    while not read.endswith(b"{}"):
        read += connection.recv(65536)


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsEndpoint]:
    """A trusted endpoint to which every name is resolved."""
    served = TlsEndpoint(certificate)
    here = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", served.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: here)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    thread = threading.Thread(target=served.serve)
    thread.start()
    yield served
    transport.session.cache_clear()
    served.listening.shutdown(socket.SHUT_RDWR)
    served.listening.close()
    thread.join()


def to(url: str) -> HttpRequest:
    return HttpRequest(instance_name="demo", url=url, headers={}, body=b"{}")


@pytest.mark.parametrize("host", [NAME, f"{NAME}."])
def test_the_handshake_and_the_certificate_are_for_the_name(tls: TlsEndpoint, host: str) -> None:
    assert send(to(f"https://{host}/v1"), 5).body == b"{}"
    assert tls.names == [NAME]


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_rejected(tls: TlsEndpoint, host: str) -> None:
    with pytest.raises(LlmRefused, match="certificate that isn't trusted"):
        send(to(f"https://{host}/v1"), 5)
    assert tls.names in (["other.example"], [None])
