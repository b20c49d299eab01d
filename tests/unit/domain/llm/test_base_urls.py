"""Valid base URLs, and their origins."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.llm.base_urls import BaseUrlError, base_url_error, origin_of

UNSEEN = "a space, a line break or another character"
ADDRESS = "is not an http"
USER = "a user name or a key before an @"
PORT = "a port that isn't a number from 1 to 65535"
HOST = "a host"
QUERY = "has a key in its query"

REFUSED = {
    "https://user:pw@a.example/v1": USER,
    "https://sk-test@a.example": USER,
    "https://@a.example": USER,
    "https://a.example@b.example": USER,
    "https://a.example/ v1": UNSEEN,
    " https://a.example": UNSEEN,
    "https://a.example ": UNSEEN,
    "https://a.ex\tample": UNSEEN,
    "https://a.example/\r\nv1": UNSEEN,
    "https://a.example\n": UNSEEN,
    "ht\ntps://a.example": UNSEEN,
    "https://a.example/\0": UNSEEN,
    "\x01https://a.example": UNSEEN,
    "https://a.example/\u00a0": UNSEEN,
    "https://a.example/\u2028": UNSEEN,
    "https://a.example/\u200b": UNSEEN,
    "https://a.example/\u202e": UNSEEN,
    "https://a.example/\ud800": UNSEEN,
    "https:\\\\a.example": "a backslash",
    "https://a.example\\@b.example": "a backslash",
    "https://a.example:65536": PORT,
    "https://a.example:0": PORT,
    "https://a.example:99999999999": PORT,
    "https://a.example:x": PORT,
    "https://a.example:-1": PORT,
    "https://a.example:+443": PORT,
    "https://a.example:8_0": PORT,
    "https://a.example:\uff14\uff14\uff13": PORT,
    "https://[::1]:70000": PORT,
    "http:///x": ADDRESS,
    "https://": ADDRESS,
    "https:a.example": ADDRESS,
    "https:/a.example": ADDRESS,
    "https://:443": ADDRESS,
    "//a.example": ADDRESS,
    "a.example/v1": ADDRESS,
    "ftp://a.example": ADDRESS,
    "file:///etc/passwd": ADDRESS,
    "": ADDRESS,
    "https://[::1": ADDRESS,
    "https://[a.example]": ADDRESS,
    "https://\uff11\uff12\uff17.0.0.1": HOST,
    "https://127。0。0。1": HOST,
    "https://faß.example": HOST,
    "https://a..example": HOST,
    "https://.a.example": HOST,
    "https://-a.example": HOST,
    "https://a%2eexample": HOST,
    "https://a.example,b.example": HOST,
    f"https://{'a' * 64}.example": HOST,
    f"https://{'a.' * 130}example": HOST,
    "https://a.example/v1#key": "a fragment",
    "https://a.example/#": "a fragment",
    "https://a.example?api_key=1": QUERY,
    "https://a.example?API-KEY=1": QUERY,
    "https://a.example/?x=1&key=2": QUERY,
    "https://a.example/?x=1;key=2": QUERY,
    "https://a.example?Token=1": QUERY,
    "https://a.example?access_token=1": QUERY,
    "https://a.example?apikey=1": QUERY,
    "https://a.example?subscription-key=1": QUERY,
    "https://a.example?Ocp-Apim-Subscription-Key=1": QUERY,
    "https://a.example?sig=1": QUERY,
    "https://a.example?X-Amz-Signature=1": QUERY,
    "https://a.example?code=1": QUERY,
    "https://a.example?password=": QUERY,
    "https://a.example?client_secret=1": QUERY,
    "https://a.example?%6Bey=1": QUERY,
    "https://a.example?k=sk-proj-0123456789": QUERY,
    "https://a.example?sk-proj-0123456789": QUERY,
    "https://a.example?x=aZ3aZ3aZ3aZ3aZ3aZ3aZ3aZ3": QUERY,
    "https://a.example?x=0123456789abcdef0123456789abcdef": QUERY,
}
TAKEN = [
    "https://r.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-10-21",
    "https://a.example/v1?api-version=2024-05-01-preview&model=gpt-4o-mini-2024-07-18",
    "http://localhost:11434/v1",
    "https://bücher.example",
    "https://xn--bcher-kva.example/",
    "https://[2606:4700::1]:8443/v1",
    "http://ollama_1:11434",
    "https://generativelanguage.googleapis.com/v1beta/openai/",
    "https://a.example/%20x?region=eu-west-1",
    "HTTPS://A.example.:65535",
]


@pytest.mark.parametrize(("url", "why"), REFUSED.items())
def test_an_invalid_url_or_one_with_a_key_is_rejected_without_quoting_it(url: str, why: str) -> None:
    error = base_url_error(url)
    assert error is not None
    assert why in error
    assert "sk-" not in error


@pytest.mark.parametrize("url", TAKEN)
def test_base_urls_from_vendors_documentation_are_valid(url: str) -> None:
    assert base_url_error(url) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://x", "https://x:443"),
        ("https://x:443", "https://x:443"),
        ("HTTPS://X/", "https://x:443"),
        ("https://x.:/a?b=c", "https://x:443"),
        ("https://x:0443", "https://x:443"),
        ("http://x", "http://x:80"),
        ("http://x:443", "http://x:443"),
        ("https://x:8443", "https://x:8443"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example:443"),
        ("https://bu\u0308cher.example", "https://xn--bcher-kva.example:443"),
        ("https://XN--bcher-kva.example", "https://xn--bcher-kva.example:443"),
        ("https://[0:0::1]", "https://[::1]:443"),
        ("https://[2606:4700:0::ABCD]:1", "https://[2606:4700::abcd]:1"),
    ],
)
def test_an_origin_has_one_normal_form(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@given(st.text())
def test_any_text_yields_an_origin_or_a_base_url_error(text: str) -> None:
    for url in (text, f"https://{text}", f"https://a.example{text}"):
        with suppress(BaseUrlError):
            assert origin_of(url).startswith("http")
