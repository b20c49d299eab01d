"""Workflow files as text: written files are read back, by Baton and by other readers of the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ruamel.yaml
import yaml
from hypothesis import given, settings

from baton.api.bodies.workflow_files import JSON, YAML, json_schema, read_file, write_file
from baton.api.workflow_file_formats import yaml_writer
from baton.domain.catalog.definitions import BlockDraft, InlineBlock
from baton.domain.errors import Invalid
from baton.domain.files.workflow_files import FilePayload, WorkflowFile
from baton.domain.llm.settings import LlmSettings
from tests.support.workflow_file_strategies import files, objects, texts

EXAMPLE = Path(__file__).parents[4] / "local" / "example.yaml"


@pytest.mark.parametrize("media_type", [JSON, YAML])
@settings(deadline=None)
@given(file=files())
def test_a_written_file_is_read_back(media_type: str, file: WorkflowFile) -> None:
    text = write_file(file, media_type)
    read = read_file(text, media_type)
    assert read == file
    assert write_file(read, media_type) == text


@settings(deadline=None, max_examples=25)
@given(files())
def test_a_written_file_follows_the_schema(file: WorkflowFile) -> None:
    jsonschema.validate(json.loads(write_file(file, JSON)), json_schema())


@settings(deadline=None)
@given(texts, objects)
def test_other_yaml_readers_read_the_same_values(text: str, anything: dict[str, Any]) -> None:
    document = {"text": text, "list": [text, {"nested": text, "lists": [[text], []]}], "anything": anything}
    written = yaml_writer.write(document)
    as_json = json.dumps(document)
    assert json.dumps(yaml.load(written, Loader=yaml.CSafeLoader)) == as_json
    assert json.dumps(yaml.safe_load(written)) == as_json
    assert json.dumps(ruamel.yaml.YAML(typ="safe", pure=True).load(written)) == as_json


def test_the_example_is_a_workflow_file() -> None:
    text = EXAMPLE.read_text()
    example = read_file(text, YAML)
    jsonschema.validate(yaml.safe_load(text), json_schema())
    assert read_file(write_file(example, YAML), YAML) == example


def test_defaults_are_omitted_and_texts_are_written_with_their_lines() -> None:
    file = WorkflowFile(
        name="yes",
        order=("first",),
        payloads=(
            FilePayload(
                name="first",
                blocks=("Greet", InlineBlock(content="\tIndented, \nand so on:\n\n")),
                llm_instance="demo",
                settings=LlmSettings(
                    temperature=0.0, stop=("\n\n", "END"), response_format={"type": "object", "$ref": "on"}
                ),
            ),
        ),
        blocks=(BlockDraft(title="Greet", content="Line one\n  line two\n"),),
    )
    assert write_file(file, YAML) == (
        'workflow:\n  name: "yes"\n  payloads: [first]\n\n'
        "payloads:\n  - name: first\n    blocks:\n      - Greet\n"
        "      - content: |2+\n          \tIndented, \n          and so on:\n\n"
        "    llm_instance: demo\n    temperature: 0.0\n"
        '    stop: ["\\n\\n", END]\n'
        '    response_format:\n      type: object\n      $ref: "on"\n\n'
        "blocks:\n  - title: Greet\n    content: |\n      Line one\n        line two\n"
    )
    assert "tags" not in write_file(file, JSON)


def test_nothing_is_written_that_yaml_1_1_reads_differently() -> None:
    written = yaml_writer.write({"a": {"on": "y", "b": 1e16, "c": 5e-324, "d": ["n", -0.0, "012", 10**20]}})
    assert written == 'a:\n  "on": "y"\n  b: 1.0e+16\n  c: 5.0e-324\n  d: ["n", -0.0, "012", 100000000000000000000]\n'


def test_older_media_types_of_yaml_and_a_byte_order_mark_are_accepted() -> None:
    text = "\ufeffworkflow: {name: Relay}"
    for media_type in ("application/x-yaml", "text/yaml", "Application/YAML; charset=utf-8"):
        assert read_file(text, media_type).name == "Relay"
    assert read_file('\ufeff{"workflow": {"name": "Relay"}}', JSON).name == "Relay"


def test_unquoted_words_that_yaml_1_1_reads_differently_are_text() -> None:
    text = "workflow: {name: no, payloads: [on]}\npayloads: [{name: on, blocks: [2024-01-31], llm_instance: 0x10}]\n"
    file = read_file(text + "blocks: [{title: 2024-01-31, content: 012}]", YAML)
    assert (file.name, file.order, file.payloads[0].llm_instance) == ("no", ("on",), "0x10")
    assert file.blocks == (BlockDraft(title="2024-01-31", content="012"),)


def test_numbers_and_words_are_read_as_in_yaml_1_2() -> None:
    options = "{a: +1, b: -.5, c: 1e3, d: 2., e: ~, f: True, g: , 1: 1, null: null}"
    payload = f"{{name: b, blocks: [{{content: ''}}], llm_instance: c, options: {options}}}"
    file = read_file(f"workflow: {{name: a}}\npayloads: [{payload}]", YAML)
    read = file.payloads[0].settings.options
    expected = {"a": 1, "b": -0.5, "c": 1000.0, "d": 2.0, "e": None, "f": True, "g": None, "1": 1, "null": None}
    assert json.dumps(read) == json.dumps(expected)


def test_a_json_file_may_name_its_schema_for_editors() -> None:
    text = '{"$schema": "http://localhost/schemas/workflow.json", "workflow": {"name": "Relay"}}'
    assert read_file(text, JSON) == WorkflowFile(name="Relay", order=(), payloads=(), blocks=())


def test_all_settings_that_the_api_accepts_are_read_back() -> None:
    deep: dict[str, Any] = {}
    for _ in range(240):
        deep = {"a": deep}
    payload = FilePayload(
        name="a",
        blocks=(InlineBlock(content="x"),),
        llm_instance="b",
        settings=LlmSettings(options={"deep": deep, "k" * 5000: 10**3000}),
    )
    file = WorkflowFile(name="a", order=("a",), payloads=(payload,), blocks=())
    for media_type in (JSON, YAML):
        assert read_file(write_file(file, media_type), media_type) == file


def test_a_file_that_is_too_long_to_be_imported_is_not_written() -> None:
    block = BlockDraft(title="Long", content="é" * 50_000)
    blocks = tuple(BlockDraft(title=f"Long {number}", content=block.content) for number in range(41))
    for media_type in (JSON, YAML):
        with pytest.raises(Invalid, match=r"file: has 4,\d+,\d+ bytes; at most 4,000,000 are allowed\."):
            write_file(WorkflowFile(name="a", order=(), payloads=(), blocks=blocks), media_type)


def test_the_schema_is_a_valid_json_schema_with_a_title_and_a_description() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["additionalProperties"]) == ("Baton workflow file", False)
    assert schema["description"]
