"""Workflow files as clients send and receive them, in YAML or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationError

from baton.api.bodies.blocks import BlockFields
from baton.api.bodies.fields import Name, Request
from baton.api.bodies.payloads import Inline
from baton.api.bodies.settings import Settings
from baton.api.validation import field_errors
from baton.api.workflow_file_formats import json_text
from baton.api.workflow_file_formats.documents import MAX_FILE_BYTES, Document
from baton.domain.catalog.definitions import MAX_BLOCKS_PER_PAYLOAD, MAX_PAYLOADS_PER_WORKFLOW, BlockDraft, InlineBlock
from baton.domain.errors import Invalid
from baton.domain.field_errors import FieldError
from baton.domain.files.workflow_files import BrokenFile, FilePayload, WorkflowFile, check

JSON = "application/json"
YAML = "application/yaml"
YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
"""The first one is registered by RFC 9512; the others are older and still in use."""


def _title_or_inline(value: Any) -> str:
    return "<inline>" if isinstance(value, Mapping | Inline) else "<title>"


BlockOfPayload = Annotated[
    Annotated[Name, Tag("<title>")] | Annotated[Inline, Tag("<inline>")],
    Discriminator(_title_or_inline),
    Field(description="The title of a block in this file, or the content of a block of this payload only."),
]


class BlockInFile(BlockFields):
    """A reusable piece of prompt text."""


class PayloadInFile(Settings):
    """One LLM call: its blocks in order, its LLM instance, and its settings."""

    name: Annotated[Name, Field(description="How later prompts refer to its answer: `{{name}}`.")]
    blocks: Annotated[list[BlockOfPayload], Field(min_length=1, max_length=MAX_BLOCKS_PER_PAYLOAD)]
    llm_instance: Annotated[Name, Field(description="The name of an existing LLM instance.")]

    def payload(self) -> FilePayload:
        """The payload as a domain value."""
        blocks = tuple(InlineBlock(content=b.content) if isinstance(b, Inline) else b for b in self.blocks)
        return FilePayload(name=self.name, blocks=blocks, llm_instance=self.llm_instance, settings=self.settings())


class WorkflowInFile(Request):
    """The workflow itself: the names of its payloads in the order in which they run."""

    name: Name
    payloads: Annotated[list[Name], Field(max_length=MAX_PAYLOADS_PER_WORKFLOW)] | None = Field(default_factory=list)


class FileModel(Request):
    """A workflow with its payloads and blocks. Each definition replaces the one that has its name."""

    editor_schema: Annotated[
        str | None, Field(alias="$schema", description="The URL of this schema, for editors only.")
    ] = None
    workflow: WorkflowInFile
    payloads: Annotated[list[PayloadInFile], Field(max_length=MAX_PAYLOADS_PER_WORKFLOW)] | None = Field(
        default_factory=list
    )
    blocks: list[BlockInFile] | None = Field(default_factory=list)

    def file(self) -> WorkflowFile:
        """The file as a domain value."""
        return WorkflowFile(
            name=self.workflow.name,
            order=tuple(self.workflow.payloads or ()),
            payloads=tuple(payload.payload() for payload in self.payloads or ()),
            blocks=tuple(block.draft() for block in self.blocks or ()),
        )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of workflow files, for completion and validation in editors."""
    own = FileModel.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own, "title": "Baton workflow file"}


def read_file(text: str, media_type: str) -> WorkflowFile:
    """Parse and validate a workflow file.

    :raises BrokenFile: if it is invalid; every error has its path, and its line if the format is YAML.
    :raises Invalid: if the media type is not one of workflow files.
    """
    document = _document(text.removeprefix("\ufeff"), media_type)
    try:
        file = FileModel.model_validate(document.value, strict=True).file()
        check(file)
    except ValidationError as error:
        raise _broken(document, field_errors(error.errors(include_url=False), document.value)) from None
    except BrokenFile as error:
        raise _broken(document, error.errors) from None
    return file


def write_file(file: WorkflowFile, media_type: str) -> str:
    """The file as text, without fields that have their default; the same file always gives the same text.

    :raises Invalid: if it is too long to be imported, or the media type is not one of workflow files.
    """
    document = {
        "workflow": {"name": file.name, "payloads": list(file.order)},
        "payloads": [_written_payload(payload) for payload in file.payloads],
        "blocks": [_written_block(block) for block in file.blocks],
    }
    text = _written(document, media_type)
    _check_size(text)
    return text


# YAML is imported where it is used, so that other calls of the function do not wait for the import.


def _written(document: dict[str, Any], media_type: str) -> str:
    if not _is_yaml(media_type):
        return json_text.write(document)
    from baton.api.workflow_file_formats import yaml_writer  # noqa: PLC0415

    return yaml_writer.write(document)


def _document(text: str, media_type: str) -> Document:
    is_yaml = _is_yaml(media_type)
    _check_size(text)
    if not is_yaml:
        return json_text.read(text)
    from baton.api.workflow_file_formats import yaml_reader  # noqa: PLC0415

    return yaml_reader.read(text)


def _is_yaml(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in {JSON, *YAML_TYPES}:
        raise Invalid("Content-Type", f"{kind[:100]!r} is not a media type of workflow files; send {YAML} or {JSON}.")
    return kind != JSON


def _check_size(text: str) -> None:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_FILE_BYTES:
        raise Invalid("file", f"has {size:,} bytes; at most {MAX_FILE_BYTES:,} are allowed.")


def _broken(document: Document, found: Iterable[FieldError]) -> BrokenFile:
    """The exception for these errors, each with its line, sorted by line."""
    located = [document.with_line(error) for error in found]
    return BrokenFile(sorted(located, key=lambda error: error.line or 0))


def _written_payload(payload: FilePayload) -> dict[str, Any]:
    blocks = [block if isinstance(block, str) else {"content": block.content} for block in payload.blocks]
    return {"name": payload.name, "blocks": blocks, "llm_instance": payload.llm_instance, **payload.settings.to_dict()}


def _written_block(block: BlockDraft) -> dict[str, Any]:
    folder = {} if block.folder_path == "/" else {"folder_path": block.folder_path}
    tags = {"tags": list(block.tags)} if block.tags else {}
    return {"title": block.title, **folder, **tags, "content": block.content}
