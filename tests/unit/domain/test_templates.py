"""Templates: references are found and replaced in one pass, and all other text is left unchanged."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.templates import could_be_a_name, join_blocks, normalised, reference_names, render, rendered_bytes

texts = st.text()
names = (
    st.text(st.characters(exclude_characters="{}"), min_size=1, max_size=100)
    .map(lambda text: normalised(text.strip()))
    .filter(lambda name: bool(name) and name == name.strip())
)
spaces = st.text(" \t\n", max_size=3)


@given(texts)
def test_without_values_a_template_is_unchanged(template: str) -> None:
    assert render(template, {}) == template


@given(st.text(st.characters(exclude_characters="{}")), st.dictionaries(names, texts))
def test_a_template_without_braces_is_unchanged(template: str, values: dict[str, str]) -> None:
    assert render(template, values) == template
    assert reference_names(template) == []


@given(st.text("ab{} "), st.dictionaries(st.sampled_from(["a", "b", "ab", "a b"]), texts))
def test_only_references_are_replaced(template: str, values: dict[str, str]) -> None:
    """Without values for the names that the template refers to, nothing changes."""
    others = {name: text for name, text in values.items() if name not in reference_names(template)}
    assert render(template, others) == template


@given(st.text(st.characters(exclude_characters="{}\\")), names, texts)
def test_inserted_text_is_not_scanned_for_references(around: str, name: str, value: str) -> None:
    """Even references and braces in a value are inserted unchanged."""
    assert render(f"{around}{{{{{name}}}}}{around}", {name: value}) == f"{around}{value}{around}"


def test_references_in_an_answer_are_not_replaced() -> None:
    values = {"a": "{{b}} {{a}}", "b": "never"}
    assert render("{{a}}", values) == "{{b}} {{a}}"


def test_adjacent_values_do_not_form_a_reference() -> None:
    assert render("{{a}}{{b}}", {"a": "{{", "b": "c}}", "c": "never"}) == "{{c}}"


@given(names, spaces, spaces)
def test_spaces_around_a_name_are_ignored(name: str, before: str, after: str) -> None:
    template = f"{{{{{before}{name}{after}}}}}"
    assert reference_names(template) == [name]
    assert render(template, {name: "value"}) == "value"


@pytest.mark.parametrize(
    "template", ["{{ nobody }}", "{{nobody}}", "{{\tno body\n}}", "{{}}", "{{ }}", "{nobody}", "{{nobody}", "{ {a} }"]
)
def test_a_reference_without_a_value_is_left_verbatim(template: str) -> None:
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
def test_values_are_inserted_as_text_not_as_patterns(value: str) -> None:
    assert render("{{a}}", {"a": value}) == value


def test_names_are_listed_once_in_order_of_appearance() -> None:
    assert reference_names("{{b}} {{ a }} {{b }} {{{c}}} {{}}") == ["b", "a", "c"]


def test_blocks_are_joined_by_one_blank_line() -> None:
    assert join_blocks(["one", "two\n", "three"]) == "one\n\ntwo\n\n\nthree"
    assert join_blocks(["only"]) == "only"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (r"\{{a}}", "{{a}}"),
        (r"\{{ a }}", "{{ a }}"),
        (r"\{{nobody}}", "{{nobody}}"),
        (r"\{{a}}{{a}}\{{a}}", "{{a}}A{{a}}"),
        (r"x\\{{a}}", r"x\\A"),  # a line break of LaTeX
        (r"\\{{a}}\share", r"\\A\share"),  # a share of Windows
        (r"\\\{{a}}", r"\\\A"),
        (r"\ {{a}}", r"\ A"),
        (r"\n{{a}}", r"\nA"),
        (r"\{{a,b}\}", r"\{{a,b}\}"),
        (r"\{{{a}}\}", r"\{A\}"),  # only the innermost pair of braces is a reference, and no backslash before it
        (r"\{{{x}}}", r"\{{{x}}}"),
        (r"\{{}}", r"\{{}}"),
        (r"\frac{{a}}{b}", r"\fracA{b}"),
        (r"\{a}", r"\{a}"),
        ("\\", "\\"),
        (r"\{{", r"\{{"),
    ],
)
def test_one_backslash_directly_before_a_reference_makes_it_text(template: str, expected: str) -> None:
    assert render(template, {"a": "A"}) == expected


def test_an_escaped_reference_is_left_when_missing_references_are_removed() -> None:
    assert render(r"\{{a}} {{b}}", {}, drop_missing=True) == "{{a}} "


def test_escaped_references_are_not_looked_up() -> None:
    assert reference_names(r"\{{a}} \\{{b}} {{c}}") == ["b", "c"]


@given(st.text("ab {}"))
def test_a_text_with_all_references_escaped_is_rendered_unchanged(text: str) -> None:
    escaped = "".join(_escaped(text))
    assert render(escaped, {"a": "never", "b": "never", "ab": "never"}) == text


def _escaped(text: str) -> list[str]:
    """Put a backslash before each reference."""
    pieces, rest = [], text
    while names := reference_names(rest):
        start = min(rest.index(written) for written in _written(rest, names))
        pieces += [rest[:start], "\\", rest[start : start + 2]]
        rest = rest[start + 2 :]
    return [*pieces, rest]


def _written(text: str, names: list[str]) -> list[str]:
    """The references as they are written in the text."""
    ends = [end + 2 for end in range(len(text)) if text.startswith("}}", end)]
    found = [text[text.rfind("{{", 0, end) : end] for end in ends if "{{" in text[:end]]
    return [each for each in found if each[2:-2].strip() in names]


@given(st.text("\\{}a"), st.text("\\{}a"))
def test_inserted_text_is_not_scanned_for_backslashes(before: str, value: str) -> None:
    template = before.replace("{", "").replace("}", "") + " {{a}}"
    assert render(template, {"a": value}) == template.removesuffix("{{a}}") + value


@given(st.text(st.characters(exclude_characters="{}"), min_size=1, max_size=50).filter(lambda name: name.strip()))
def test_a_name_matches_in_any_unicode_form(name: str) -> None:
    values = {normalised(name.strip()): "value"}
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, name)
        assert render(f"{{{{{written}}}}}", values) == "value"


def test_an_unresolved_reference_keeps_its_own_unicode_form() -> None:
    assert render("{{cafe\u0301}}", {}) == "{{cafe\u0301}}"


@pytest.mark.parametrize("name", ["topic", "a b", "facts.items[0].title", "naïve-名前.1", "summary (short)", "x + 1"])
def test_a_possible_name_is_a_reference(name: str) -> None:
    assert could_be_a_name(name)
    assert render(f"<{{{{{name}}}}}>", {}, drop_missing=True) == "<>"


@pytest.mark.parametrize(
    "name",
    [
        "name | upper",
        "user['x']",
        'include "x" .',
        "`x`",
        "it\u2019s",
        "\u201cx\u201d",
        "a\nb",
        "a\r\nb",
        "a\u2028b",
        ".Values.x",
        "- if x -",
        "end -",
        "#each items",
        "/if",
        "^x",
        "> partial",
        "! comment",
        "% x %",
        "$json.x",
        "@index",
    ],
)
def test_code_of_other_template_languages_is_left_verbatim(name: str) -> None:
    assert not could_be_a_name(name)
    assert render(f"<{{{{{name}}}}}>", {}, drop_missing=True) == f"<{{{{{name}}}}}>"


def test_code_that_is_the_name_of_a_value_is_replaced() -> None:
    assert render("{{ a | b }} {{ 'x' }}", {"a | b": "1", "'x'": "2"}) == "1 2"


PIECES = ["{{a}}", "{{ b }}", "{{c}}", "\\{{a}}", "é", "\U0001f642", "x", "{{", "}}"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12), a=st.text(max_size=5), b=st.text(max_size=5))
def test_the_size_is_known_before_rendering(pieces: list[str], a: str, b: str) -> None:
    template, values = "".join(pieces), {"a": a, "b": b}
    escapes = len(template.encode()) - len(render(template, {}).encode())
    assert rendered_bytes(template, values) == len(render(template, values).encode()) + escapes


MARKS = "{{" + "e\u0301" * 90 + "}}"


@pytest.mark.parametrize("unit", ["{{", "}}", "{{a}}", "\\", "\\{{", "\\{{a}}", "{{a", " ", "\\\\{{b}}", MARKS])
def test_long_texts_of_one_kind_are_read_in_one_pass(unit: str) -> None:
    """Scanning back or ahead by more than the length of a name would need minutes here."""
    template = unit * (300_000 // len(unit.encode()))
    assert len(reference_names(template)) <= 1
    assert render(template, {}).count("{{a}}") == template.count("{{a}}")
