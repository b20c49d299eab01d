"""Prompts: references are found, resolved and replaced once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.prompts import Reference, Sources, as_text, join_blocks, look_up, reference_names, render, resolve

texts = st.text()
names = st.text(st.characters(exclude_characters="{}"), min_size=1).map(str.strip).filter(bool)
spaces = st.text(" \t\n", max_size=3)


@given(texts)
def test_a_template_is_the_identity_when_nothing_has_a_value(template: str) -> None:
    assert render(template, {}) == template


@given(st.text(st.characters(exclude_characters="{}")), st.dictionaries(names, texts))
def test_a_template_without_braces_is_the_identity_whatever_there_is(template: str, values: dict[str, str]) -> None:
    assert render(template, values) == template
    assert reference_names(template) == []


@given(st.text("ab{} "), st.dictionaries(st.sampled_from(["a", "b", "ab", "a b"]), texts))
def test_only_what_is_named_as_a_reference_is_replaced(template: str, values: dict[str, str]) -> None:
    """Without values for the names that the template refers to, nothing changes."""
    others = {name: text for name, text in values.items() if name not in reference_names(template)}
    assert render(template, others) == template


@given(texts.filter(lambda text: "{" not in text and "}" not in text), names, texts)
def test_inserted_text_is_never_scanned_again(around: str, name: str, value: str) -> None:
    """Whatever the value holds, even references and braces, stands in the prompt as it is."""
    assert render(f"{around}{{{{{name}}}}}{around}", {name: value}) == f"{around}{value}{around}"


def test_an_answer_that_holds_references_stays_as_it_is() -> None:
    values = {"a": "{{b}} {{a}}", "b": "never"}
    assert render("{{a}}", values) == "{{b}} {{a}}"


def test_values_that_meet_do_not_make_a_reference() -> None:
    assert render("{{a}}{{b}}", {"a": "{{", "b": "c}}", "c": "never"}) == "{{c}}"


@given(names, spaces, spaces)
def test_spaces_around_a_name_do_not_count(name: str, before: str, after: str) -> None:
    template = f"{{{{{before}{name}{after}}}}}"
    assert reference_names(template) == [name]
    assert render(template, {name: "value"}) == "value"


@pytest.mark.parametrize(
    "template", ["{{ nobody }}", "{{nobody}}", "{{\tno body\n}}", "{{}}", "{{ }}", "{nobody}", "{{nobody}", "{ {a} }"]
)
def test_what_has_no_value_stays_exactly_as_it_was_written(template: str) -> None:
    assert render(f"x {template} y", {"a": "never", "body": "never"}) == f"x {template} y"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{{a}}}", "{A}"),
        ("{{{{a}}}}", "{{A}}"),
        ("{{{{{a}}}}}", "{{{A}}}"),
        ("{{a}}}}", "A}}"),
        ("{{{{a}}", "{{A"),
        ("{{a}} {{b {{a}}", "A {{b A"),
        ("{{a}}{{a}}", "AA"),
        ("{{two words}}", "2"),
        ("{{naïve-名前.1}}", "N"),
    ],
)
def test_only_the_innermost_pair_of_braces_is_a_reference(template: str, expected: str) -> None:
    assert render(template, {"a": "A", "two words": "2", "naïve-名前.1": "N"}) == expected


@pytest.mark.parametrize("value", [r"\1", r"\g<0>", "\\", "$1", "%s"])
def test_values_are_text_and_no_patterns(value: str) -> None:
    assert render("{{a}}", {"a": value}) == value


def test_names_are_told_once_in_order_of_appearance() -> None:
    assert reference_names("{{b}} {{ a }} {{b }} {{{c}}} {{}}") == ["b", "a", "c", ""]


def test_a_response_wins_over_a_variable() -> None:
    assert resolve(["x"], ["x"], ["x"]) == (Reference(name="x", source="response", position=0),)


def test_the_latest_response_of_a_name_wins() -> None:
    assert resolve(["x"], ["x", "y", "x", "z"], []) == (Reference(name="x", source="response", position=2),)


def test_a_variable_serves_where_no_payload_has_the_name() -> None:
    assert resolve(["x"], ["y"], ["x"]) == (Reference(name="x", source="variable"),)


def test_a_name_that_nobody_has_is_missing() -> None:
    assert resolve(["x"], ["y"], ["z"]) == (Reference(name="x", source="missing"),)


def test_names_are_told_apart_by_case() -> None:
    assert [reference.source for reference in resolve(["Draft"], ["draft"], ["DRAFT"])] == ["missing"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ('"quoted"', '"quoted"'),
        ("", ""),
        (1, "1"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        ({"é": [1, "x"]}, '{"é": [1, "x"]}'),
    ],
)
def test_a_value_that_is_no_text_becomes_json(value: object, text: str) -> None:
    assert as_text(value) == text
    values, _ = look_up([Reference(name="x", source="variable")], Sources(variables={"x": value}))
    assert values == {"x": text}


@pytest.mark.parametrize(
    ("name", "position", "path"),
    [
        ("facts.title", 0, ("title",)),
        ("facts.items[1].name", 0, ("items", 1, "name")),
        ("facts[0]", 0, (0,)),
        ("facts.v2", 1, ()),
        ("facts.v2.title", 1, ("title",)),
    ],
)
def test_a_name_may_read_into_an_earlier_answer_and_the_longest_payload_name_wins(
    name: str, position: int, path: tuple[str | int, ...]
) -> None:
    expected = Reference(name=name, source="response", position=position, path=path)
    assert resolve([name], ["facts", "facts.v2"], []) == (expected,)


@pytest.mark.parametrize("name", ["facts.", "facts[", "facts[x]", "facts[-1]", "facts..title", "factstitle", ".title"])
def test_what_is_no_path_is_missing(name: str) -> None:
    assert resolve([name], ["facts"], []) == (Reference(name=name, source="missing"),)


def test_a_variable_wins_over_a_path() -> None:
    assert resolve(["facts.title"], ["facts"], ["facts.title"])[0].source == "variable"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("title",), "Relay"),
        (("items", 1), '{"n": 2}'),
        (("items", 1, "n"), "2"),
        (("none",), "null"),
        (("empty",), ""),
    ],
)
@pytest.mark.parametrize("written", ["{}", " \n{}\n", "```json\n{}\n```", "```\n{}\n```\n"])
def test_a_path_reads_into_an_answer_that_is_json(path: tuple[str | int, ...], text: str, written: str) -> None:
    content = written.format('{"title": "Relay", "items": [1, {"n": 2}], "none": null, "empty": ""}')
    reference = Reference(name="facts", source="response", position=0, path=path)
    assert look_up([reference], Sources(contents={0: content})) == ({"facts": text}, (reference,))


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("no json", ("title",)),
        ("{}", ("title",)),
        ("[]", (0,)),
        ('{"title": "Relay"}', ("title", "x")),
        ('{"title": "Relay"}', ("title", 0)),
        ('{"0": "Relay"}', (0,)),
        ("[1]", ("0",)),
        ("[" * 100_000, (0,)),
        ("", ("title",)),
    ],
)
def test_a_path_that_leads_to_nothing_makes_its_reference_a_missing_one(
    content: str, path: tuple[str | int, ...]
) -> None:
    reference = Reference(name="facts.x", source="response", position=0, path=path)
    found = look_up([reference], Sources(contents={0: content}))
    assert found == ({}, (Reference(name="facts.x", source="missing"),))


def test_blocks_are_joined_by_one_blank_line() -> None:
    assert join_blocks(["one", "two\n", "three"]) == "one\n\ntwo\n\n\nthree"
    assert join_blocks(["only"]) == "only"
