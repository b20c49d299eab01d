"""Broken workflow files: each is rejected quickly, with an error that has the place."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.api.bodies.workflow_files import JSON, YAML, read_file
from baton.domain.errors import Invalid
from baton.domain.files.workflow_files import BrokenFile
from tests.support.workflow_file_strategies import texts

GOOD = """\
workflow:
  name: Relay
  payloads: [first]
payloads:
  - name: first
    blocks: [Ask]
    llm_instance: demo
    temperature: 0.5
blocks:
  - title: Ask
    content: |
      Why?
"""

ALIAS = "has an anchor (&) or alias (*); write the value out, or quote it if it is text."
TAGGED = "has a tag (!); write the value without one, or quote it if it is text."


def refusal(text: str, media_type: str = YAML) -> str:
    with pytest.raises(Invalid) as refused:
        read_file(text, media_type)
    return str(refused.value)


def test_the_file_that_the_other_tests_break_is_accepted() -> None:
    assert read_file(GOOD, YAML).order == ("first",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("temperature", "temprature", "line 8: payloads[0].temprature: is an unknown field."),
        ("blocks:\n  -", "block:\n  -", "line 9: block: is an unknown field."),
        ("0.5", '"0.5"', "line 8: payloads[0].temperature: should be a number."),
        ("0.5", "yes", "line 8: payloads[0].temperature: should be a number."),
        ("0.5", "2.5", "line 8: payloads[0].temperature: should be less than or equal to 2."),
        ("0.5", ".inf", "line 8: payloads[0].temperature: should be a number."),
        ("0.5", "1e999", "line 8: payloads[0].temperature: is not a number that JSON supports."),
        ("0.5", "9" * 5000, "line 8: payloads[0].temperature: is not a number that JSON supports."),
        ("Relay", "42", "line 2: workflow.name: should be text: put it in quotes."),
        ("Relay", "", "line 2: workflow.name: is null or empty, and should be text."),
        ("Relay", "[a]", "line 2: workflow.name: should be text."),
        ("Relay", "a {b}", "line 2: workflow.name: should have neither { nor }."),
        ("Relay", "' '", "line 2: workflow.name: should have at least 1 character."),
        ("[Ask]", "[true]", "line 6: payloads[0].blocks[0]: should be text: put it in quotes."),
        ("[Ask]", "[]", "line 6: payloads[0].blocks: should have at least 1 item."),
        ("[Ask]", "[{text: a}]",
         "line 6: payloads[0].blocks[0].content: is missing; line 6: payloads[0].blocks[0].text: is an unknown field."),
        ("[Ask]", "[{content: 1}]", "line 6: payloads[0].blocks[0].content: should be text: put it in quotes."),
        ("[Ask]", "Ask", "line 6: payloads[0].blocks: should be a list."),
        ("[Ask]", "[Ask, Aks]", "line 6: payloads[0].blocks[1]: no block in this file has the title 'Aks'."),
        ("[first]", "[first,\n    second]", "line 4: workflow.payloads[1]: no payload in this file is named 'second'."),
        ("    llm_instance: demo\n", "", "line 5: payloads[0].llm_instance: is missing."),
        ("  - name: first\n", "  - first\n  - name: first\n", "line 5: payloads[0]: should be an object."),
        ("temperature: 0.5", "response_format: xml",
         "line 8: payloads[0].response_format: should be 'text' or 'json', or an object."),
        ("temperature: 0.5", "name: second", "line 8: payloads[0]: has the key 'name' twice."),
        ("temperature: 0.5", "options: {a: {b: 1, b: 1}}", "line 8: payloads[0].options.a: has the key 'b' twice."),
        ("temperature: 0.5", "? [a]\n    : b", "line 8: payloads[0]: has a key that isn't text."),
        ("temperature: 0.5", "<<: {seed: 1}", "line 8: payloads[0].<<: is an unknown field."),
        ("Ask\n    content", "&a Ask\n    content", f"line 10: blocks[0].title: {ALIAS}"),
        ("[Ask]", "*ask", f"line 6: payloads[0].blocks: {ALIAS}"),
        ("demo", "!!python/object/apply:os.system [id]", f"line 7: payloads[0].llm_instance: {TAGGED}"),
        ("0.5", "!!str 0.5", f"line 8: payloads[0].temperature: {TAGGED}"),
        ("blocks:\n  -", "---\nblocks:\n  -", "line 9: begins a second document; a file contains one workflow."),
        ("    temperature", "\ttemperature", "line 8: is indented with a tab; YAML allows spaces only."),
        ("Relay", "a: b",
         "line 2: is not YAML: text with a colon and a space in it means something else in YAML; quote it."),
        ("Relay", '"Relay', "line 13: is not YAML at column 1: found unexpected end of stream."),
        ("Relay", '"\\ud800"', "line 2: is not YAML at column 12: found invalid Unicode character escape code."),
        ("Why?", "Why\x00", "line 12: contains U+0000; write it in double quotes, as an escape."),
        ("Why?", "Why\ud800", "line 12: contains U+D800; write it in double quotes, as an escape."),
        (GOOD, "", "file: should be an object."),
        (GOOD, "- a", "line 1: should be an object."),
        (GOOD, "{}", "line 1: workflow: is missing."),
    ],
)  # fmt: skip
def test_a_broken_yaml_file_is_rejected_with_the_line(old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    assert refusal(GOOD.replace(old, new, 1)) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"workflow": {"name": "a"}',
         "line 1: is not JSON at column 27: a comma or the end of the list or object is expected here."),
        ('{"workflow":\n  {name: 1}}',
         "line 2: is not JSON at column 4: a name in double quotes is expected here."),
        ("", "line 1: is not JSON at column 1: a value is expected here."),
        ('{"workflow": {"name": "a", "nam": 1}}', "workflow.nam: is an unknown field."),
        ('{"workflow": {"name": "a", "name": "a"}}', "workflow: has the key 'name' twice."),
        ('{"workflow": {"name": "a"}, "blocks": [{}, NaN]}', "blocks[1]: is not a number that JSON supports."),
        ('{"workflow": {"name": -Infinity}}', "workflow.name: is not a number that JSON supports."),
        ('{"workflow": {"name": 1e999}}', "workflow.name: is not a number that JSON supports."),
        ('{"workflow": {"name": %s}}' % ("9" * 5000), "workflow.name: is not a number that JSON supports."),
        ('{"workflow": {"name": "\\ud800"}}',
         "workflow.name: contains half of a surrogate pair, which is not a character."),
        ('{"workflow": {"\\udfff": 1}}', "workflow: contains half of a surrogate pair, which is not a character."),
        ('{"workflow": {"name": "\ud800"}}',
         "workflow.name: contains half of a surrogate pair, which is not a character."),
        ('{"workflow": {"name": "\\q"}}',
         "line 1: is not JSON at column 24: a backslash in a text must be written twice."),
        ('{"workflow": {"name": "a", "payloads": ["b"]}}',
         "workflow.payloads[0]: no payload in this file is named 'b'."),
        ("[]", "file: should be an object."),
        ("{} {}", "line 1: is not JSON at column 4: nothing is expected after the end of the value."),
    ],
)  # fmt: skip
def test_a_broken_json_file_is_rejected_with_the_path(text: str, sentence: str) -> None:
    assert refusal(text, JSON) == sentence


def test_errors_are_in_the_order_of_their_lines() -> None:
    with pytest.raises(BrokenFile) as refused:
        read_file(GOOD.replace("Relay", "1").replace("Ask\n", "2\n").replace("0.5", "x"), YAML)
    assert [fault.line for fault in refused.value.errors] == [2, 8, 10]


def test_lines_are_counted_as_in_an_editor_for_every_line_ending() -> None:
    broken = GOOD.replace("0.5", "9")
    for ending in ("\n", "\r\n", "\r"):
        assert refusal(broken.replace("\n", ending)).startswith("line 8: payloads[0].temperature: ")


def test_another_media_type_is_rejected() -> None:
    assert refusal(GOOD, "text/xml") == (
        "Content-Type: 'text/xml' is not a media type of workflow files; send application/yaml or application/json."
    )


YAML_BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(1_000))


@pytest.mark.parametrize(
    ("make", "media_type", "sentence"),
    [
        (lambda: YAML_BOMB, YAML, f"line 1: a: {ALIAS}"),
        (lambda: "[" * 100_000, YAML, "levels deep"),
        (lambda: "{a: " * 100_000, YAML, "levels deep"),
        (lambda: "- " * 100_000, YAML, "levels deep"),
        (lambda: "".join(f"{' ' * n}a:\n" for n in range(1_000)), YAML, "levels deep"),
        (lambda: "? " * 100_000, YAML, "line 1: has a key that isn't text."),
        (lambda: "[" * 100_000, JSON, "is nested more than 256 levels deep."),
        (lambda: '{"a":' * 100_000 + "1" + "}" * 100_000, JSON, "is nested more than 256 levels deep."),
        (lambda: "[" * 300 + "]" * 300, JSON, "is nested more than 256 levels deep."),
        (lambda: "#" * 6_000_000 + GOOD, YAML, " bytes; at most 4,000,000 are allowed."),
        (lambda: " " * 6_000_000, JSON, "file: has 6,000,000 bytes; at most 4,000,000 are allowed."),
        (lambda: "- a\n" * 900_000, YAML, "line 250000: contains more than 250,000 values."),
        (lambda: f"[{'1,' * 1_900_000}1]", JSON, "file: contains more than 250,000 values."),
        (lambda: GOOD.replace("demo", "demo " * 190_000), YAML, "line 7: payloads[0].llm_instance: should have"),
        (lambda: f"{'x' * 100_000}: 1\nworkflow: {{name: a}}", YAML, "is not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_would_cost_too_much_is_rejected_quickly(
    make: Callable[[], str], media_type: str, sentence: str
) -> None:
    text = make()
    before = process_time()
    error = refusal(text, media_type)
    assert process_time() - before < 3
    assert sentence in error
    assert len(error) < 1_000


def reads_or_refuses(text: str, media_type: str) -> bool:
    try:
        read_file(text, media_type)
    except Invalid as refused:
        return bool(str(refused))
    return True


@settings(deadline=None)
@given(st.text() | texts, st.sampled_from([JSON, YAML]))
def test_any_text_is_read_or_rejected(text: str, media_type: str) -> None:
    assert reads_or_refuses(text, media_type)


@settings(deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 5), st.sampled_from(list("\t\n :-[]{}&*!|>'\"#%@`,?x\x00")))
def test_any_damaged_file_is_read_or_rejected(start: int, length: int, new: str) -> None:
    assert reads_or_refuses(GOOD[:start] + new + GOOD[start + length :], YAML)
