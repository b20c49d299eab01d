"""Base URLs of LLM instances: which are valid, and their origin.

``urlsplit`` alone is too lenient: it drops tabs, line breaks and leading spaces, and checks a port only on access. What
one library drops, another one sends; so a text that two libraries could read differently is not a valid base URL.
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
"""Names of query parameters that contain a secret, in lower case and without ``-``, ``_`` and ``.``. The end of the
name counts: ``subscription-key``, ``access_token`` and ``X-Amz-Signature`` match, ``api-version`` does not."""

SECRET_VALUE = re.compile(
    r"(sk|pk|rk|gsk|hf|ghp|xai|nvapi|pplx|r8|glpat|key)[-_].{8,}|AIza.{20,}|AKIA.{12,}|eyJ.{10,}|bearer .*"
    r"|[0-9a-f]{32,}|(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])\w{24,}",
    re.DOTALL,
)
"""Values that look like a key: a vendor's prefix, or a long word with digits and letters of both cases."""


class BaseUrlError(ValueError):
    """An invalid base URL; ``str(error)`` is the reason, to follow the field's name in a detail."""


def base_url_error(text: str) -> str | None:
    """Why this is not a valid base URL, to follow the field's name in a detail; the URL itself is not quoted."""
    try:
        origin_of(text)
    except BaseUrlError as error:
        return str(error)
    parts = urlsplit(text)
    if "#" in text:
        return "has a fragment (the part after #), which is never sent; remove it"
    if _contains_secret(parts.query):
        return "has a key in its query; put it in api_key, where it is stored as a secret"
    return None


def origin_of(base_url: str) -> str:
    """Scheme, host and port in normal form, such as ``https://api.example:443``.

    Source: https://www.rfc-editor.org/rfc/rfc6454#section-4

    :raises BaseUrlError: if this is not an http(s) URL, or libraries could read it differently.
    """
    if not base_url.isprintable() or any(character.isspace() for character in base_url):
        raise BaseUrlError("contains a space, a line break or another character that is not printable")
    if "\\" in base_url:
        raise BaseUrlError("contains a backslash; use / to separate the parts of an address")
    parts = _split(base_url)
    if "@" in parts.netloc:
        raise BaseUrlError(
            "contains a user name or a key before an @; put the key in api_key, where it is stored as a secret"
        )
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
    """The name in the form that DNS uses. A name that does not survive the round trip (``ß``, full-width digits)
    differs between versions of IDNA: https://www.unicode.org/reports/tr46/#Deviations"""
    try:
        name = host.encode("idna").decode()
        back = name.encode().decode("idna")
    except UnicodeError:
        raise BaseUrlError("has a host that isn't a host name") from None
    if host not in (name, back):
        raise BaseUrlError("has a host with ambiguous characters; write it in its ASCII form (xn--…)")
    return name


def _contains_secret(query: str) -> bool:
    pairs = (pair.partition("=") for pair in re.split("[&;]", query) if pair)
    return any(_is_secret(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)


def _is_secret(name: str, value: str) -> bool:
    plain = re.sub(r"[-_.\[\] ]", "", name.lower())
    return bool(SECRET_NAME.fullmatch(plain) or SECRET_VALUE.fullmatch(value) or SECRET_VALUE.fullmatch(name))
