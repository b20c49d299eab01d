"""What importing a workflow file means for the catalog: by name, and each definition as a whole.

A definition that has the name already is replaced by what the file says, so that importing a file twice changes
nothing the second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from baton.domain.catalog.definitions import (
    Block,
    BlockDraft,
    Kind,
    LlmInstance,
    Payload,
    PayloadDraft,
    Workflow,
    WorkflowDraft,
)
from baton.domain.files.workflow_files import (
    FieldError,
    FileBlock,
    FilePayload,
    WorkflowFile,
    block_in_file,
    payload_in_file,
    raise_any,
)

type Named = tuple[Kind, str]
type Ids = Mapping[Named, int]
"""The id behind each kind and name."""

type Facts = dict[str, Any]
"""What a file says about a definition besides its name, as plain values; without what is left open."""

type Current = Block | Payload | Workflow
type FileDraft = BlockDraft | PayloadDraft | WorkflowDraft


@dataclass(frozen=True, kw_only=True)
class Present:
    """What the catalog has under the names in a file, and what that points to; more than this does no harm."""

    workflow: Workflow | None = None
    payloads: Collection[Payload] = ()
    blocks: Collection[Block] = ()
    instances: Collection[LlmInstance] = ()


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """What an import means for one definition.

    ``current`` is the definition as it is, ``None`` if there is none. ``differences`` has ``(old, new)`` for each
    field that differs, ``None`` for what is left out or unset.
    """

    kind: Kind
    name: str
    action: Literal["create", "replace", "keep"]
    differences: Mapping[str, tuple[Any, Any]]
    current: Current | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an import means: blocks first, then payloads, the workflow last. ``ids`` are those that are there."""

    file: WorkflowFile
    changes: tuple[FileChange, ...]
    ids: Ids

    def with_ids(self, reserved: Ids) -> Plan:
        """The plan once its new definitions are there."""
        return replace(self, ids={**self.ids, **reserved})

    @property
    def to_save(self) -> tuple[FileChange, ...]:
        """The changes that write anything; none if the catalog says already what the file says."""
        return tuple(change for change in self.changes if change.action != "keep")


def plan(file: WorkflowFile, present: Present) -> Plan:
    """What importing the file would change.

    :raises BrokenFile: if it names an LLM instance that isn't there.
    """
    instances: dict[Named, int] = {("LLM_INSTANCE", instance.name): instance.id for instance in present.instances}
    raise_any(list(_unknown_instances(file, instances)))
    stored = _stored(present)
    changes = tuple(_change(named, new, *stored.get(named, (None, {}))) for named, new in _wanted(file).items())
    ids: dict[Named, int] = {(change.kind, change.name): change.current.id for change in changes if change.current}
    return Plan(file=file, changes=changes, ids=ids | instances)


def drafts(plan: Plan, reserved: Ids) -> tuple[tuple[FileChange, FileDraft], ...]:
    """What to save for each change that writes anything, in the order of the plan.

    ``reserved`` are the ids of what is to be created.
    """
    ids = {**plan.ids, **reserved}
    every: list[FileDraft] = [
        *(_block_draft(block) for block in plan.file.blocks),
        *(_payload_draft(payload, ids) for payload in plan.file.payloads),
        WorkflowDraft(name=plan.file.name, payloads=tuple(ids["PAYLOAD", name] for name in plan.file.order)),
    ]
    pairs = zip(plan.changes, every, strict=True)
    return tuple((change, draft) for change, draft in pairs if change.action != "keep")


def _unknown_instances(file: WorkflowFile, known: Collection[Named]) -> Iterator[FieldError]:
    for position, payload in enumerate(file.payloads):
        if ("LLM_INSTANCE", payload.llm_instance) not in known:
            sentence = f"there is no LLM instance {payload.llm_instance!r}; create it first"
            yield FieldError(path=("payloads", position, "llm_instance"), sentence=sentence)


def _wanted(file: WorkflowFile) -> dict[Named, Facts]:
    blocks: dict[Named, Facts] = {("BLOCK", block.title): _block_facts(block) for block in file.blocks}
    payloads: dict[Named, Facts] = {("PAYLOAD", payload.name): _payload_facts(payload) for payload in file.payloads}
    return {**blocks, **payloads, ("WORKFLOW", file.name): {"payloads": list(file.order)}}


def _stored(present: Present) -> dict[Named, tuple[Current, Facts]]:
    title = _name_of({block.id: block.title for block in present.blocks})
    name = _name_of({payload.id: payload.name for payload in present.payloads})
    instance_name = _name_of({instance.id: instance.name for instance in present.instances})
    stored: dict[Named, tuple[Current, Facts]] = {}
    for block in present.blocks:
        stored["BLOCK", block.title] = (block, _block_facts(block_in_file(block)))
    for payload in present.payloads:
        stored["PAYLOAD", payload.name] = (payload, _payload_facts(payload_in_file(payload, title, instance_name)))
    if (workflow := present.workflow) is not None:
        stored["WORKFLOW", workflow.name] = (workflow, {"payloads": [name(id_) for id_ in workflow.payloads]})
    return stored


def _name_of(names: Mapping[int, str]) -> Callable[[int], str]:
    """The name behind an id; for what is gone something that no name can be, as names have no braces."""
    return lambda id_: names.get(id_, f"{{{id_}}}")


def _block_facts(block: FileBlock) -> Facts:
    return {"content": block.content, "tags": list(block.tags), "folder_path": block.folder_path}


def _payload_facts(payload: FilePayload) -> Facts:
    blocks = [block if isinstance(block, str) else {"content": block.content} for block in payload.blocks]
    return {"blocks": blocks, "llm_instance": payload.llm_instance, **payload.settings.to_dict()}


def _change(named: Named, new: Facts, current: Current | None, old: Facts) -> FileChange:
    kind, name = named
    pairs = {key: (old.get(key), new.get(key)) for key in {**new, **old}}
    differences = {key: pair for key, pair in pairs.items() if (key in old) != (key in new) or not _is_same(*pair)}
    return FileChange(
        kind=kind, name=name, action=_action(current, differences), differences=differences, current=current
    )


def _action(current: Current | None, differences: Facts) -> Literal["create", "replace", "keep"]:
    if current is None:
        return "create"
    return "replace" if differences else "keep"


def _is_same(old: Any, new: Any) -> bool:
    """As JSON: to a provider 1 is not ``true``, and the order of a schema's properties can matter."""
    return json.dumps(old) == json.dumps(new)


def _block_draft(block: FileBlock) -> BlockDraft:
    return BlockDraft(title=block.title, content=block.content, tags=block.tags, folder_path=block.folder_path)


def _payload_draft(payload: FilePayload, ids: Ids) -> PayloadDraft:
    return PayloadDraft(
        name=payload.name,
        blocks=tuple(ids["BLOCK", block] if isinstance(block, str) else block for block in payload.blocks),
        llm_instance=ids["LLM_INSTANCE", payload.llm_instance],
        settings=payload.settings,
    )
