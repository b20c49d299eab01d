"""The changes to the catalog that importing a workflow file makes.

Each definition of the file replaces the stored one with its name, as a whole, so that importing a file a second time
changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from baton.domain.catalog.definitions import (
    Block,
    BlockDraft,
    LlmInstance,
    Payload,
    PayloadDraft,
    Workflow,
    WorkflowDraft,
)
from baton.domain.field_errors import FieldError
from baton.domain.files.workflow_files import FilePayload, WorkflowFile, payload_in_file, raise_any
from baton.domain.kinds import Kind

type Named = tuple[Kind, str]
type Ids = Mapping[Named, int]
"""The id of each definition by kind and name."""

type Facts = dict[str, Any]
"""The fields of a definition in a file, without its name, as plain values; omitted settings are absent."""

type Current = Block | Payload | Workflow
type FileDraft = BlockDraft | PayloadDraft | WorkflowDraft


@dataclass(frozen=True, kw_only=True)
class Existing:
    """The stored definitions with the names of a file, and those that they refer to; there may be more."""

    workflow: Workflow | None = None
    payloads: Collection[Payload] = ()
    blocks: Collection[Block] = ()
    instances: Collection[LlmInstance] = ()


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """The change to one definition.

    ``current`` is the stored definition, ``None`` if there is none. ``differences`` has ``(old, new)`` for each field
    that differs, ``None`` for a setting that is omitted or unset.
    """

    kind: Kind
    name: str
    action: Literal["create", "replace", "keep"]
    differences: Mapping[str, tuple[Any, Any]]
    current: Current | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The changes of an import: blocks, then payloads, then the workflow. ``ids`` has the ids of stored definitions."""

    file: WorkflowFile
    changes: tuple[FileChange, ...]
    ids: Ids

    def with_ids(self, reserved: Ids) -> Plan:
        """The plan with the ids of its new definitions."""
        return replace(self, ids={**self.ids, **reserved})

    @property
    def to_save(self) -> tuple[FileChange, ...]:
        """The changes that write a definition; none if every stored definition equals the file's."""
        return tuple(change for change in self.changes if change.action != "keep")


def plan(file: WorkflowFile, existing: Existing) -> Plan:
    """The changes that importing the file makes.

    :raises BrokenFile: if an LLM instance that it names does not exist.
    """
    instances: dict[Named, int] = {("LLM_INSTANCE", instance.name): instance.id for instance in existing.instances}
    raise_any(list(_unknown_instances(file, instances)))
    stored = _stored_facts(existing)
    changes = tuple(_change(named, new, *stored.get(named, (None, {}))) for named, new in _facts_in_file(file).items())
    ids: dict[Named, int] = {(change.kind, change.name): change.current.id for change in changes if change.current}
    return Plan(file=file, changes=changes, ids=ids | instances)


def drafts(plan: Plan, reserved: Ids) -> tuple[tuple[FileChange, FileDraft], ...]:
    """The draft to save for each change that writes a definition, in the order of the plan.

    ``reserved`` has the ids of the definitions to create.
    """
    ids = {**plan.ids, **reserved}
    every: list[FileDraft] = [
        *plan.file.blocks,
        *(_payload_draft(payload, ids) for payload in plan.file.payloads),
        WorkflowDraft(name=plan.file.name, payloads=tuple(ids["PAYLOAD", name] for name in plan.file.order)),
    ]
    pairs = zip(plan.changes, every, strict=True)
    return tuple((change, draft) for change, draft in pairs if change.action != "keep")


def _unknown_instances(file: WorkflowFile, known: Collection[Named]) -> Iterator[FieldError]:
    for position, payload in enumerate(file.payloads):
        if ("LLM_INSTANCE", payload.llm_instance) not in known:
            detail = f"there is no LLM instance {payload.llm_instance!r}; create it first"
            yield FieldError(path=("payloads", position, "llm_instance"), detail=detail)


def _facts_in_file(file: WorkflowFile) -> dict[Named, Facts]:
    blocks: dict[Named, Facts] = {("BLOCK", block.title): _block_facts(block) for block in file.blocks}
    payloads: dict[Named, Facts] = {("PAYLOAD", payload.name): _payload_facts(payload) for payload in file.payloads}
    return {**blocks, **payloads, ("WORKFLOW", file.name): {"payloads": list(file.order)}}


def _stored_facts(existing: Existing) -> dict[Named, tuple[Current, Facts]]:
    title = _name_of({block.id: block.title for block in existing.blocks})
    name = _name_of({payload.id: payload.name for payload in existing.payloads})
    instance_name = _name_of({instance.id: instance.name for instance in existing.instances})
    stored: dict[Named, tuple[Current, Facts]] = {}
    for block in existing.blocks:
        stored["BLOCK", block.title] = (block, _block_facts(block))
    for payload in existing.payloads:
        stored["PAYLOAD", payload.name] = (payload, _payload_facts(payload_in_file(payload, title, instance_name)))
    if (workflow := existing.workflow) is not None:
        stored["WORKFLOW", workflow.name] = (workflow, {"payloads": [name(id_) for id_ in workflow.payloads]})
    return stored


def _name_of(names: Mapping[int, str]) -> Callable[[int], str]:
    """The name of each id; for a deleted definition a text that no name equals, since names have no braces."""
    return lambda id_: names.get(id_, f"{{{id_}}}")


def _block_facts(block: BlockDraft) -> Facts:
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
    """Compared as JSON: for a provider, 1 differs from ``true``, and the order of a schema's properties can matter."""
    return json.dumps(old) == json.dumps(new)


def _payload_draft(payload: FilePayload, ids: Ids) -> PayloadDraft:
    return PayloadDraft(
        name=payload.name,
        blocks=tuple(ids["BLOCK", block] if isinstance(block, str) else block for block in payload.blocks),
        llm_instance=ids["LLM_INSTANCE", payload.llm_instance],
        settings=payload.settings,
    )
