"""A workflow as one file. Its names refer to definitions in the file, except those of LLM instances.

A file contains definitions whole: fields that it omits have their defaults. A file may contain definitions that its
workflow does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from baton.domain.catalog.definitions import (
    MAX_RECORD_BYTES,
    MAX_TEMPLATE_BYTES,
    BlockDraft,
    InlineBlock,
    PayloadDraft,
    WorkflowBundle,
    draft_fields,
    record_bytes,
)
from baton.domain.errors import Invalid
from baton.domain.field_errors import FieldError, Path
from baton.domain.kinds import KIND_WORDS, Kind
from baton.domain.llm.settings import LlmSettings
from baton.domain.templates import BLOCK_SEPARATOR

MAX_ERRORS_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class FilePayload:
    """A payload in a file: its blocks by title or inline, and the name of its LLM instance."""

    name: str
    blocks: tuple[str | InlineBlock, ...]
    llm_instance: str
    settings: LlmSettings = field(default_factory=LlmSettings)


@dataclass(frozen=True, kw_only=True)
class WorkflowFile:
    """A workflow with its payloads and blocks. ``order`` has the names of its payloads as they run; one may repeat."""

    name: str
    order: tuple[str, ...]
    payloads: tuple[FilePayload, ...]
    blocks: tuple[BlockDraft, ...]


class BrokenFile(Invalid):
    """A file that can't be imported. The message contains the first errors; ``errors`` has all of them."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first, *others = errors[:MAX_ERRORS_NAMED]
        further = "".join(f"; {error.place}: {error.detail}" for error in others)
        more = f" (and {len(errors) - MAX_ERRORS_NAMED} more)" if len(errors) > MAX_ERRORS_NAMED else ""
        super().__init__(first.place, f"{first.detail}{further}{more}.")
        self.field = first.field
        self.errors = tuple(errors)


def export(bundle: WorkflowBundle) -> WorkflowFile:
    """The workflow as a file: payloads and blocks in the order in which the workflow uses them.

    :raises Invalid: if the workflow refers to a definition that was deleted.
    """
    order = bundle.workflow.payloads
    payloads = [_required(bundle.payloads, "PAYLOAD", id_, "payloads") for id_ in dict.fromkeys(order)]
    block_ids = dict.fromkeys(id_ for payload in payloads for id_ in payload.block_ids)
    blocks = {id_: _required(bundle.blocks, "BLOCK", id_, "blocks") for id_ in block_ids}

    def instance_name(id_: int) -> str:
        return _required(bundle.instances, "LLM_INSTANCE", id_, "llm_instance").name

    return WorkflowFile(
        name=bundle.workflow.name,
        order=tuple(bundle.payloads[id_].name for id_ in order),
        payloads=tuple(payload_in_file(payload, lambda id_: blocks[id_].title, instance_name) for payload in payloads),
        blocks=tuple(BlockDraft(**draft_fields(block)) for block in blocks.values()),
    )


def _required[D](definitions: Mapping[int, D], kind: Kind, definition_id: int, where: str) -> D:
    if definition_id not in definitions:
        raise Invalid(where, f"the workflow refers to {KIND_WORDS[kind]} {definition_id}, which was deleted.")
    return definitions[definition_id]


def payload_in_file(
    payload: PayloadDraft, title: Callable[[int], str], instance_name: Callable[[int], str]
) -> FilePayload:
    """The payload with names instead of ids."""
    return FilePayload(
        name=payload.name,
        blocks=tuple(title(block) if isinstance(block, int) else block for block in payload.blocks),
        llm_instance=instance_name(payload.llm_instance),
        settings=payload.settings,
    )


def check(file: WorkflowFile) -> None:
    """Check what the file's schema can't express.

    :raises BrokenFile: if a name is defined twice or not at all, or a definition is too large to be stored.
    """
    raise_any([*_duplicates(file), *_unresolved(file), *_long_templates(file), *_long_records(file)])


def raise_any(errors: Sequence[FieldError]) -> None:
    """:raises BrokenFile: if there are any."""
    if errors:
        raise BrokenFile(errors)


def _duplicates(file: WorkflowFile) -> Iterator[FieldError]:
    yield from _duplicates_in("payloads", "name", [payload.name for payload in file.payloads])
    yield from _duplicates_in("blocks", "title", [block.title for block in file.blocks])


def _duplicates_in(section: str, key: str, names: Sequence[str]) -> Iterator[FieldError]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        holder = first.setdefault(name, index)
        if holder != index:
            yield FieldError(path=(section, index, key), detail=f"{section}[{holder}] has the {key} {name!r} already")


def _unresolved(file: WorkflowFile) -> Iterator[FieldError]:
    names = {payload.name for payload in file.payloads}
    titles = {block.title for block in file.blocks}
    for index, name in enumerate(file.order):
        if name not in names:
            yield FieldError(path=("workflow", "payloads", index), detail=f"no payload in this file is named {name!r}")
    for position, payload in enumerate(file.payloads):
        for index, block in enumerate(payload.blocks):
            if isinstance(block, str) and block not in titles:
                path = ("payloads", position, "blocks", index)
                yield FieldError(path=path, detail=f"no block in this file has the title {block!r}")


def _long_templates(file: WorkflowFile) -> Iterator[FieldError]:
    sizes = {block.title: len(block.content.encode()) for block in file.blocks}
    for position, payload in enumerate(file.payloads):
        parts = (sizes.get(b, 0) if isinstance(b, str) else len(b.content.encode()) for b in payload.blocks)
        size = sum(parts) + len(BLOCK_SEPARATOR) * max(0, len(payload.blocks) - 1)
        if size > MAX_TEMPLATE_BYTES:
            detail = f"have {size:,} bytes of text; at most {MAX_TEMPLATE_BYTES:,}"
            yield FieldError(path=("payloads", position, "blocks"), detail=detail)


def _long_records(file: WorkflowFile) -> Iterator[FieldError]:
    for index, block in enumerate(file.blocks):
        yield from _long_record(("blocks", index), record_bytes(block))
    for index, payload in enumerate(file.payloads):
        own = tuple("" if isinstance(block, str) else block for block in payload.blocks)
        yield from _long_record(("payloads", index), record_bytes(replace(payload, blocks=own)))


def _long_record(path: Path, size: int) -> Iterator[FieldError]:
    if size > MAX_RECORD_BYTES:
        yield FieldError(
            path=path, detail=f"has {size:,} bytes as a definition; at most {MAX_RECORD_BYTES:,} can be stored"
        )
