"""Prompts: references are found, resolved and replaced."""

from __future__ import annotations

import pytest

from baton.domain.prompts import Reference, Scope, Sources, as_text, look_up
from baton.domain.templates import reference_names, render


def resolve(names: list[str], earlier: list[str], variables: dict[str, object] | list[str]) -> tuple[Reference, ...]:
    values = variables if isinstance(variables, dict) else dict.fromkeys(variables, "")
    return Scope(earlier, values).resolve(names)


def test_a_response_has_precedence_over_a_variable() -> None:
    assert resolve(["x"], ["x"], ["x"]) == (Reference(name="x", source="response", position=0),)


def test_the_latest_response_of_a_name_is_used() -> None:
    assert resolve(["x"], ["x", "y", "x", "z"], []) == (Reference(name="x", source="response", position=2),)


def test_a_name_without_a_payload_refers_to_a_variable() -> None:
    assert resolve(["x"], ["y"], ["x"]) == (Reference(name="x", source="variable"),)


def test_an_unknown_name_is_missing() -> None:
    assert resolve(["x"], ["y"], ["z"]) == (Reference(name="x", source="missing"),)


def test_names_are_case_sensitive() -> None:
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
def test_a_value_that_is_not_text_is_rendered_as_json(value: object, text: str) -> None:
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
def test_a_path_reads_from_the_answer_of_the_longest_matching_payload_name(
    name: str, position: int, path: tuple[str | int, ...]
) -> None:
    expected = Reference(name=name, source="response", position=position, path=path)
    assert resolve([name], ["facts", "facts.v2"], []) == (expected,)


@pytest.mark.parametrize("name", ["facts.", "facts[", "facts[x]", "facts[-1]", "facts..title", "factstitle", ".title"])
def test_an_invalid_path_is_missing(name: str) -> None:
    assert resolve([name], ["facts"], []) == (Reference(name=name, source="missing"),)


def test_a_variable_with_the_full_name_has_precedence_over_a_path() -> None:
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
def test_a_path_reads_a_value_of_a_json_answer(path: tuple[str | int, ...], text: str, written: str) -> None:
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
def test_a_path_that_an_answer_does_not_contain_is_missing(content: str, path: tuple[str | int, ...]) -> None:
    reference = Reference(name="facts.x", source="response", position=0, path=path)
    found = look_up([reference], Sources(contents={0: content}))
    assert found == ({}, (Reference(name="facts.x", source="missing"),))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("user.name", "Ada"),
        ("items[0].title", "Relay"),
        ("items[0].tags[1]", "b"),
        ("items[0].tags", '["a", "b"]'),
        ("user.none", "null"),
        ("json.title", "In a text"),
        ("user.name.first", "exact"),
        ("deep.a.b[0].c", "1"),
        ("über.größe", "7"),
    ],
)
def test_a_path_reads_a_value_of_an_object_or_list_variable(name: str, text: str) -> None:
    variables: dict[str, object] = {
        "user": {"name": "Ada", "none": None},
        "items": [{"title": "Relay", "tags": ["a", "b"]}],
        "json": '{"title": "In a text"}',
        "user.name.first": "exact",
        "deep": {"a": {"b": [{"c": 1}]}},
        "u\u0308ber": {"gro\u0308\u00dfe": 7},
    }
    references = resolve([name], [], variables)
    values, found = look_up(references, Sources(variables=variables))
    assert (values, found[0].source) == ({name: text}, "variable")


@pytest.mark.parametrize(
    "name",
    ["user.age", "user[0]", "items.title", "items[1]", "items[-1]", "text.x", "number.x", "none.x", "user['name']"],
)
def test_a_path_that_a_variable_does_not_contain_is_missing(name: str) -> None:
    variables: dict[str, object] = {
        "user": {"name": "Ada"},
        "items": ["x"],
        "text": "no json",
        "number": 1,
        "none": None,
    }
    assert resolve([name], [], variables) == (Reference(name=name, source="missing"),)


def test_a_payload_has_precedence_over_a_variable_of_its_name_for_a_path_too() -> None:
    expected = Reference(name="user.name", source="response", position=0, path=("name",))
    assert resolve(["user.name"], ["user"], {"user": {"name": "Ada"}}) == (expected,)


def test_the_longest_name_of_a_payload_or_variable_is_used() -> None:
    of_variable = Reference(name="a.b.c", source="variable", path=("c",), variable="a.b")
    assert resolve(["a.b.c"], ["a"], {"a.b": {"c": 1}}) == (of_variable,)
    of_payload = Reference(name="a.b.c", source="response", position=0, path=("c",))
    assert resolve(["a.b.c"], ["a.b"], {"a": {"b": {"c": 1}}}) == (of_payload,)


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("stored", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED])
def test_names_are_compared_in_one_unicode_form(stored: str, written: str) -> None:
    template = f"{{{{ {written} }}}} {{{{{written}.x}}}}"
    names = reference_names(template)
    (own, path) = resolve(names, [], {stored: {"x": "é"}})
    values, _ = look_up((own, path), Sources(variables={stored: {"x": "é"}}))
    assert render(template, values) == '{"x": "é"} é'
    assert resolve(names, [stored], {})[0].position == 0


def test_of_two_variables_that_differ_only_in_unicode_form_the_composed_one_is_used() -> None:
    variables: dict[str, object] = {COMPOSED: "composed", DECOMPOSED: "decomposed"}
    for values in (variables, dict(reversed(variables.items()))):
        references = resolve([COMPOSED], [], values)
        assert look_up(references, Sources(variables=values))[0] == {COMPOSED: "composed"}


def test_an_answer_is_parsed_only_once_for_several_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counted(text: str) -> list[object]:
        parsed.append(text)
        return [{"a": 1, "b": 2}]

    monkeypatch.setattr("baton.domain.prompts.json_values", counted)
    references = resolve(["facts.a", "facts.b"], ["facts"], {})
    assert look_up(references, Sources(contents={0: "{}"}))[0] == {"facts.a": "1", "facts.b": "2"}
    assert parsed == ["{}"]
