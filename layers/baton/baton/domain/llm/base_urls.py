"""Base URLs of LLM instances: what one may look like, and the origin that it leads to.

``urlsplit`` alone is too lenient: it drops tabs and line breaks, passes over spaces at the beginning, and finds out
about a port only when it is asked for it. What one library drops, another one sends; so anything that two of them could
read in two ways is no base URL.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote_plus, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST_CHARS = 253
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")

SECRET_NAME = re.compile(
    r".*(key|token|secret|passw(or)?d|passphrase|pwd|sig|signature|auth|authorization|credentials?|jwt|bearer|sas)"
    r"|pass|code|key\d+|apikey\w*|awsaccesskeyid"
)
"""Names of query parameters that carry a secret, in lower case and without ``-``, ``_`` and ``.``; by their ends, so
that ``subscription-key``, ``access_token`` and ``X-Amz-Signature`` are among them, and ``api-version`` is not."""

SECRET_VALUE = re.compile(
    r"(sk|pk|rk|gsk|hf|ghp|xai|nvapi|pplx|r8|glpat|key)[-_].{8,}|AIza.{20,}|AKIA.{12,}|eyJ.{10,}|bearer .*"
    r"|[0-9a-f]{32,}|(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])\w{24,}",
    re.DOTALL,
)
"""Values that look like a key: a vendor's beginning, or a long word of digits and letters of both cases."""


class BaseUrlError(ValueError):
    """An address that has no origin; ``str(error)`` says why, to stand after the name of the field."""


def objection_to_base_url(text: str) -> str | None:
    """Why this can't be the base URL of an LLM instance, to stand after the field's name; the address isn't quoted."""
    try:
        origin_of(text)
    except BaseUrlError as error:
        return str(error)
    parts = urlsplit(text)
    if "#" in text:
        return "has a fragment (what follows a #), which is never sent; leave it out"
    if _has_a_secret(parts.query):
        return "has a key in its query; a key belongs into api_key, where it is kept as a secret"
    return None


def origin_of(base_url: str) -> str:
    """Scheme, host and port in one form each, such as ``https://api.example:443``.

    Source: https://www.rfc-editor.org/rfc/rfc6454#section-4

    :raises BaseUrlError: if it is no address, or one that could be read in two ways.
    """
    if not base_url.isprintable() or any(character.isspace() for character in base_url):
        raise BaseUrlError("holds a space, a line break or another character that can't be seen")
    if "\\" in base_url:
        raise BaseUrlError("holds a backslash; the parts of an address are separated by /")
    parts = _split(base_url)
    if "@" in parts.netloc:
        raise BaseUrlError("holds a user name or a key before an @; a key belongs into api_key, where it is kept")
    return f"{parts.scheme}://{_host(parts)}:{_port(parts)}"


def _split(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
    except ValueError:
        raise BaseUrlError("is not an http(s) address") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise BaseUrlError("is not an http(s) address with a host, such as https://api.openai.com/v1")
    return parts


def _port(parts: SplitResult) -> int:
    text = parts.netloc.rpartition("]")[2].rpartition(":")
    if text[1] and text[2]:
        if not re.fullmatch(r"[0-9]{1,5}", text[2]) or not 1 <= int(text[2]) <= 65_535:  # noqa: PLR2004 - 16 bits
            raise BaseUrlError("has a port that isn't a number from 1 to 65535")
        return int(text[2])
    return DEFAULT_PORTS[parts.scheme]


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return f"[{_ipv6(host)}]"
    name = _ascii_name(unicodedata.normalize("NFC", host.lower()).removesuffix("."))
    if len(name) > MAX_HOST_CHARS or not HOST.fullmatch(name):
        raise BaseUrlError("has a host that isn't a host name")
    return name


def _ipv6(host: str) -> str:
    try:
        return str(IPv6Address(host))
    except ValueError:
        raise BaseUrlError("has a host in brackets that isn't an IPv6 address") from None


def _ascii_name(host: str) -> str:
    """As it is looked up. A name that doesn't come back from there (``ß`` and full-width digits) is another one to
    another version of IDNA: https://www.unicode.org/reports/tr46/#Deviations"""
    try:
        name = host.encode("idna").decode()
        back = name.encode().decode("idna")
    except UnicodeError:
        raise BaseUrlError("has a host that isn't a host name") from None
    if host not in (name, back):
        raise BaseUrlError("has a host with characters that stand for others; write it as it is looked up (xn--…)")
    return name


def _has_a_secret(query: str) -> bool:
    pairs = (pair.partition("=") for pair in re.split("[&;]", query) if pair)
    return any(_is_secret(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)


def _is_secret(name: str, value: str) -> bool:
    plain = re.sub(r"[-_.\[\] ]", "", name.lower())
    return bool(SECRET_NAME.fullmatch(plain) or SECRET_VALUE.fullmatch(value) or SECRET_VALUE.fullmatch(name))
