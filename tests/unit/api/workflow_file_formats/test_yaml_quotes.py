"""Text that YAML reads as something else: the error has the line on which to quote it."""

from __future__ import annotations

import pytest

from baton.api.bodies.workflow_files import YAML, read_file
from baton.domain.errors import Invalid
from baton.domain.files.workflow_files import BrokenFile

FILE = """\
workflow:
  name: Relay
  payloads: [first]
payloads:
  - name: first
    blocks:
      - {block}
    llm_instance: demo
"""
BRACES = "text that begins with {{ means something else in YAML; quote it"


def refusal(text: str) -> BrokenFile:
    with pytest.raises(Invalid) as refused:
        read_file(text, YAML)
    assert isinstance(refused.value, BrokenFile)
    return refused.value


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ("content: {{topic}} x", BRACES),
        ("content: {{topic}}", BRACES),
        ("content: {{user.name}}, hello", BRACES),
        ("content: {{a}}: b", BRACES),
        ("content: {{a}} and {{b}}", BRACES),
        ("content: {{#if a}} x", BRACES),
        ("{{topic}}", BRACES),
        ("{{topic}} x", BRACES),
        ("content: [{{a}}]", BRACES),
        ("content: [{{a}}, b]", BRACES),
        ("content: [{{a}} b]", BRACES),
        ("content: [x {{a}}]", BRACES),
        ("content:\n          {{a}} x", BRACES),
        ('content: "{{a}}" x', "closing quote"),
        ("content: 'a' x", "closing quote"),
        ("content: @x", "begins with @"),
        ("content: `x`", "begins with `"),
        ("content: %x", "begins with %"),
        ("content: {% if x %}", "begins with {"),
        ("content: *bold* x", "begins with *"),
        ("content: **bold** x", "begins with *"),
        ("content: *bold x", "alias (*)"),
        ("content: &x y", "anchor (&)"),
        ("content: !x y", "tag (!)"),
        ("content: ! x", "tag (!)"),
        ("content: [a] x", "begins with ["),
        ("content: {a} x", "begins with {"),
        ("content: - x", "begins with -"),
        ("content: | x", "begins with |"),
        ("content: > x", "begins with >"),
        ("content: ]x", "begins with ]"),
        ("content: , x", "begins with ,"),
        ("content: Say: hello", "a colon and a space"),
        ("content: don't: x", "a colon and a space"),
    ],
)
def test_text_that_needs_quotes_is_found_with_its_line(block: str, sentence: str) -> None:
    (fault,) = refusal(FILE.replace("{block}", block)).errors
    assert sentence in fault.detail
    assert "quote it" in fault.detail
    assert fault.line == (8 if "\n" in block else 7)


def test_the_same_text_in_quotes_is_read() -> None:
    for text in ("{{topic}} x", "@x", "`x`", "%x", "*bold* x", "&x", "!x", "[a] x", "Say: hello", "| x", "- x"):
        (payload,) = read_file(FILE.replace("{block}", f"content: '{text}'"), YAML).payloads
        assert getattr(payload.blocks[0], "content", None) == text
