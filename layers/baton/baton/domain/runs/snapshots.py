"""Snapshots: what a run executes. A workflow is compiled into texts, settings and references, as of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from baton.domain import templates
from baton.domain.catalog import fallbacks
from baton.domain.catalog.definitions import (
    MAX_REFERENCES_PER_PAYLOAD,
    MAX_TEMPLATE_BYTES,
    Block,
    Payload,
    WorkflowBundle,
    record_bytes,
)
from baton.domain.errors import Invalid
from baton.domain.llm.endpoints import LlmTarget
from baton.domain.prompts import Reference, Scope, Where
from baton.domain.runs.plan import predecessors
from baton.domain.runs.responses import NextPayload
from baton.domain.runs.run import OnMissing, Variables

MAX_SNAPSHOT_BYTES = 4_000_000
"""A compiled payload, with the system texts of all of its instances."""

MAX_WORKFLOW_BYTES = 40_000_000
"""All compiled payloads of a run together; the function that makes them has 256 MB."""

MAX_MISSING_NAMED = 20
MAX_MISSING_STORED = 100
MAX_MISSING_CHARACTERS = 10_000
"""Maximums of the unresolved references that are stored for one template, and of their characters; further ones remain
plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSnapshot:
    """One payload of a run, compiled: nothing that is edited later reaches it.

    ``references`` are those of the template. ``targets`` are the instances that may answer, the payload's own first and
    its fallbacks after it; each has the references of its own system text. ``after`` are the positions that must have
    answered first. ``following`` is the payload that starts after this one; in snapshots of an older version it is not
    known.
    """

    position: int
    payload_id: int
    payload_name: str
    template: str
    references: tuple[Reference, ...]
    targets: tuple[LlmTarget, ...]
    after: tuple[int, ...] = ()
    following: NextPayload | None = None

    @property
    def own_target(self) -> LlmTarget:
        """The payload's own instance."""
        return self.targets[0]

    @property
    def payload(self) -> NextPayload:
        """The payload, as that before it refers to it."""
        return NextPayload(position=self.position, payload_id=self.payload_id, payload_name=self.payload_name)

    def references_with(self, target: LlmTarget) -> tuple[Reference, ...]:
        """Those of the template and of the target's system text."""
        return (*self.references, *target.references)


def compile_snapshots(
    definitions: WorkflowBundle, variables: Variables, on_missing: OnMissing = "keep", first_position: int = 0
) -> tuple[PayloadSnapshot, ...]:
    """Turn a workflow into what a run executes, one snapshot a payload, from ``first_position`` on.

    :raises Invalid: if the workflow has no payloads or refers to a deleted definition, if a payload's text
        is too large to be stored, or if a reference can never be resolved and ``on_missing`` is ``fail``.
    """
    payloads = _payloads_in_order(definitions)
    names = [payload.name for payload in payloads]
    snapshots: list[PayloadSnapshot] = []
    total = 0
    for position, payload in enumerate(payloads[first_position:], start=first_position):
        snapshot = _compile(payload, position, definitions, Scope(names[:position], variables))
        total += _checked_size(snapshot)
        if total > MAX_WORKFLOW_BYTES:
            detail = f"texts and settings of all payloads have more than {MAX_WORKFLOW_BYTES:,} bytes."
            raise Invalid("payloads", detail)
        snapshots.append(snapshot)
    if on_missing == "fail":
        _reject_unresolved(snapshots)
    return (*(replace(one, following=following.payload) for one, following in pairwise(snapshots)), *snapshots[-1:])


def resolve_again(
    snapshots: Sequence[PayloadSnapshot], variables: Variables, on_missing: OnMissing, first_position: int
) -> tuple[PayloadSnapshot, ...]:
    """The snapshots from ``first_position`` on, with their references to other variables; their texts are unchanged.

    :raises Invalid: if a payload refers to too many values, or if a reference can never be resolved and ``on_missing``
        is ``fail``.
    """
    names = [snapshot.payload_name for snapshot in snapshots]
    resolved = [
        _resolved(snapshot, Scope(names[: snapshot.position], variables)) for snapshot in snapshots[first_position:]
    ]
    if on_missing == "fail":
        _reject_unresolved(resolved)
    return tuple(resolved)


def _payloads_in_order(definitions: WorkflowBundle) -> list[Payload]:
    workflow = definitions.workflow
    if not workflow.payloads:
        raise Invalid("payloads", f"workflow {workflow.id} has none; add at least one before executing it.")
    missing = [str(id_) for id_ in dict.fromkeys(workflow.payloads) if id_ not in definitions.payloads]
    if missing:
        raise Invalid("payloads", f"workflow {workflow.id} refers to deleted payloads: {', '.join(missing)}.")
    return [definitions.payloads[id_] for id_ in workflow.payloads]


def _compile(
    payload: Payload,
    position: int,
    definitions: WorkflowBundle,
    scope: Scope,
) -> PayloadSnapshot:
    template = _template(payload, definitions.blocks)
    instance = definitions.instances.get(payload.llm_instance)
    if instance is None:
        raise Invalid(
            "llm_instance", f"payload {payload.id} refers to the deleted LLM instance {payload.llm_instance}."
        )
    chain = fallbacks.chain(instance, definitions.instances)
    unresolved = PayloadSnapshot(
        position=position,
        payload_id=payload.id,
        payload_name=payload.name,
        template=template,
        references=(),
        targets=tuple(fallbacks.targets(payload.settings, chain)),
        after=predecessors(position),
    )
    return _resolved(unresolved, scope)


def _resolved(snapshot: PayloadSnapshot, scope: Scope) -> PayloadSnapshot:
    targets = tuple(replace(target, references=_references(target, scope)) for target in snapshot.targets)
    in_prompt = _resolve(snapshot.template, scope, "prompt")
    for target in targets:
        _check_reference_count(snapshot.payload_id, (*in_prompt, *target.references))
    return replace(snapshot, references=in_prompt, targets=targets)


def _checked_size(snapshot: PayloadSnapshot) -> int:
    size = record_bytes(snapshot)
    if size > MAX_SNAPSHOT_BYTES:
        payload_id, most = snapshot.payload_id, MAX_SNAPSHOT_BYTES
        detail = f"text and settings of payload {payload_id} have {size:,} bytes; at most {most:,} are allowed."
        raise Invalid("payloads", detail)
    return size


def _reject_unresolved(snapshots: Sequence[PayloadSnapshot]) -> None:
    unresolved = [
        f"{{{{{reference.name}}}}} in {snapshot.payload_name!r} (position {snapshot.position})"
        for snapshot in snapshots
        for target in snapshot.targets
        for reference in snapshot.references_with(target)
        if reference.source == "missing"
    ]
    missing = list(dict.fromkeys(unresolved))
    if missing:
        named = ", ".join(missing[:MAX_MISSING_NAMED])
        more = f" and {len(missing) - MAX_MISSING_NAMED} more" if len(missing) > MAX_MISSING_NAMED else ""
        raise Invalid("on_missing", f"these references can never be resolved: {named}{more}.")


def _references(target: LlmTarget, scope: Scope) -> tuple[Reference, ...]:
    return _resolve(target.settings.system or "", scope, "system")


def _resolve(template: str, scope: Scope, where: Where) -> tuple[Reference, ...]:
    """The resolved references, and the first of the unresolved ones that could be names."""
    stored: list[Reference] = []
    missing = characters = 0
    for reference in scope.resolve(templates.reference_names(template), where):
        if reference.source == "missing":
            if not templates.could_be_a_name(reference.name):
                continue
            missing, characters = missing + 1, characters + len(reference.name)
            if missing > MAX_MISSING_STORED or characters > MAX_MISSING_CHARACTERS:
                continue
        stored.append(reference)
    return tuple(stored)


def _check_reference_count(payload_id: int, references: Sequence[Reference]) -> None:
    found = len({reference.name for reference in references if reference.source != "missing"})
    if found > MAX_REFERENCES_PER_PAYLOAD:
        detail = f"payload {payload_id} refers to {found:,} answers and variables in its prompt and system text; "
        raise Invalid("blocks", f"{detail}at most {MAX_REFERENCES_PER_PAYLOAD} are looked up.")


def _template(payload: Payload, blocks: Mapping[int, Block]) -> str:
    missing = [str(id_) for id_ in payload.block_ids if id_ not in blocks]
    if missing:
        raise Invalid("blocks", f"payload {payload.id} refers to deleted blocks: {', '.join(missing)}.")
    template = templates.join_blocks(
        (blocks[block] if isinstance(block, int) else block).content for block in payload.blocks
    )
    size = len(template.encode())
    if size > MAX_TEMPLATE_BYTES:
        raise Invalid("blocks", f"payload {payload.id} has {size:,} bytes of text; at most {MAX_TEMPLATE_BYTES:,}.")
    return template
