"""A workflow as one file, in which every name stands for one definition; an LLM instance is only named.

What a file says about a definition is all there is to say about it. A file may hold definitions that its workflow
doesn't use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from baton.domain.catalog.definitions import (
    KIND_WORDS,
    MAX_RECORD_BYTES,
    MAX_TEMPLATE_BYTES,
    BlockDraft,
    InlineBlock,
    Kind,
    PayloadDraft,
    record_bytes,
)
from baton.domain.errors import Invalid
from baton.domain.llm.settings import LlmSettings
from baton.domain.runs.run import WorkflowBundle
from baton.domain.templates import BLOCK_SEPARATOR

MAX_FAULTS_NAMED = 5
MAX_FIELD_CHARACTERS = 200
_PLAIN_NAME = re.compile(r"""[^\s."'[\]{}:,]+""")

type Path = tuple[str | int, ...]
"""Where something stands in a file, from the outside in."""


@dataclass(frozen=True, kw_only=True)
class FileBlock:
    """A block in a file."""

    title: str
    content: str
    tags: tuple[str, ...] = ()
    folder_path: str = "/"


@dataclass(frozen=True, kw_only=True)
class FilePayload:
    """A payload in a file: its blocks by title or inline, and the name of the instance that answers."""

    name: str
    blocks: tuple[str | InlineBlock, ...]
    llm_instance: str
    settings: LlmSettings = field(default_factory=LlmSettings)


@dataclass(frozen=True, kw_only=True)
class WorkflowFile:
    """A workflow with everything that it needs. ``order`` is the names of its payloads as they run; one may repeat."""

    name: str
    order: tuple[str, ...]
    payloads: tuple[FilePayload, ...]
    blocks: tuple[FileBlock, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with a file; ``line`` where it is known."""

    path: Path
    sentence: str
    line: int | None = None

    @property
    def field(self) -> str:
        """``payloads[1].temperature``, or ``file`` for all of it."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{_written(part)}" for part in self.path)
        text = "".join(parts).removeprefix(".") or "file"
        return text if len(text) <= MAX_FIELD_CHARACTERS else f"{text[:MAX_FIELD_CHARACTERS]}…"

    @property
    def place(self) -> str:
        """``line 12: payloads[1].temperature``, or as much of it as is known."""
        if self.line is None:
            return self.field
        return f"line {self.line}: {self.field}" if self.path else f"line {self.line}"


def _written(name: str) -> str:
    """A field's name as it is, or in quotes where it couldn't be told from what stands around it.

    What can't be seen stands there as JSON escapes it.
    """
    if _PLAIN_NAME.fullmatch(name) and name.isprintable():
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())


class BrokenFile(Invalid):
    """A file that can't be imported. The sentence names the first faults; all that were found are in ``faults``."""

    def __init__(self, faults: Sequence[FieldError]) -> None:
        first, *others = faults[:MAX_FAULTS_NAMED]
        further = "".join(f"; {fault.place}: {fault.sentence}" for fault in others)
        more = f" (and {len(faults) - MAX_FAULTS_NAMED} more)" if len(faults) > MAX_FAULTS_NAMED else ""
        super().__init__(first.place, f"{first.sentence}{further}{more}.")
        self.field = first.field
        self.faults = tuple(faults)


def export(definitions: WorkflowBundle) -> WorkflowFile:
    """The workflow as a file: payloads and blocks in the order in which the workflow comes to use them.

    :raises Invalid: if the workflow points to a definition that is gone.
    """
    order = definitions.workflow.payloads
    payloads = [_found(definitions.payloads, "PAYLOAD", id_, "payloads") for id_ in dict.fromkeys(order)]
    block_ids = dict.fromkeys(id_ for payload in payloads for id_ in payload.block_ids)
    blocks = {id_: _found(definitions.blocks, "BLOCK", id_, "blocks") for id_ in block_ids}

    def instance_name(id_: int) -> str:
        return _found(definitions.instances, "LLM_INSTANCE", id_, "llm_instance").name

    return WorkflowFile(
        name=definitions.workflow.name,
        order=tuple(definitions.payloads[id_].name for id_ in order),
        payloads=tuple(payload_in_file(payload, lambda id_: blocks[id_].title, instance_name) for payload in payloads),
        blocks=tuple(block_in_file(block) for block in blocks.values()),
    )


def _found[D](definitions: Mapping[int, D], kind: Kind, definition_id: int, where: str) -> D:
    if definition_id not in definitions:
        raise Invalid(where, f"the workflow needs {KIND_WORDS[kind]} {definition_id}, which is gone.")
    return definitions[definition_id]


def block_in_file(block: BlockDraft) -> FileBlock:
    """The block without what only the catalog knows of it."""
    return FileBlock(title=block.title, content=block.content, tags=block.tags, folder_path=block.folder_path)


def payload_in_file(
    payload: PayloadDraft, title: Callable[[int], str], instance_name: Callable[[int], str]
) -> FilePayload:
    """The payload with names in the place of ids."""
    return FilePayload(
        name=payload.name,
        blocks=tuple(title(block) if isinstance(block, int) else block for block in payload.blocks),
        llm_instance=instance_name(payload.llm_instance),
        settings=payload.settings,
    )


def check(file: WorkflowFile) -> None:
    """:raises BrokenFile: if names in the file repeat or stand for nothing, or a definition is too long to be kept."""
    raise_any([*_repetitions(file), *_dangling(file), *_long_templates(file), *_long_records(file)])


def raise_any(faults: Sequence[FieldError]) -> None:
    """:raises BrokenFile: if there are any."""
    if faults:
        raise BrokenFile(faults)


def _repetitions(file: WorkflowFile) -> Iterator[FieldError]:
    yield from _repeated("payloads", "name", [payload.name for payload in file.payloads])
    yield from _repeated("blocks", "title", [block.title for block in file.blocks])


def _repeated(section: str, key: str, names: Sequence[str]) -> Iterator[FieldError]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        holder = first.setdefault(name, index)
        if holder != index:
            yield FieldError(path=(section, index, key), sentence=f"{section}[{holder}] has the {key} {name!r} already")


def _dangling(file: WorkflowFile) -> Iterator[FieldError]:
    names = {payload.name for payload in file.payloads}
    titles = {block.title for block in file.blocks}
    for index, name in enumerate(file.order):
        if name not in names:
            yield FieldError(
                path=("workflow", "payloads", index), sentence=f"no payload in this file is named {name!r}"
            )
    for position, payload in enumerate(file.payloads):
        for index, block in enumerate(payload.blocks):
            if isinstance(block, str) and block not in titles:
                path = ("payloads", position, "blocks", index)
                yield FieldError(path=path, sentence=f"no block in this file has the title {block!r}")


def _long_templates(file: WorkflowFile) -> Iterator[FieldError]:
    sizes = {block.title: len(block.content.encode()) for block in file.blocks}
    for position, payload in enumerate(file.payloads):
        parts = (sizes.get(b, 0) if isinstance(b, str) else len(b.content.encode()) for b in payload.blocks)
        size = sum(parts) + len(BLOCK_SEPARATOR) * max(0, len(payload.blocks) - 1)
        if size > MAX_TEMPLATE_BYTES:
            sentence = f"come to {size:,} bytes of text; at most {MAX_TEMPLATE_BYTES:,}"
            yield FieldError(path=("payloads", position, "blocks"), sentence=sentence)


def _long_records(file: WorkflowFile) -> Iterator[FieldError]:
    for index, block in enumerate(file.blocks):
        yield from _long_record(("blocks", index), record_bytes(block))
    for index, payload in enumerate(file.payloads):
        own = tuple("" if isinstance(block, str) else block for block in payload.blocks)
        yield from _long_record(("payloads", index), record_bytes(replace(payload, blocks=own)))


def _long_record(path: Path, size: int) -> Iterator[FieldError]:
    if size > MAX_RECORD_BYTES:
        yield FieldError(
            path=path, sentence=f"comes to {size:,} bytes as a definition; at most {MAX_RECORD_BYTES:,} are kept"
        )
