"""Workflows as files: out of the catalog, and into it by name, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from baton.domain.catalog.definitions import (
    Block,
    Definition,
    Draft,
    Ledger,
    LlmInstance,
    Payload,
    Replacement,
    Workflow,
    first_version,
    next_version,
)
from baton.domain.catalog.fallbacks import with_fallbacks
from baton.domain.errors import Conflict
from baton.domain.files.workflow_files import FieldError, WorkflowFile, export, raise_any
from baton.domain.files.workflow_imports import FileChange, Ids, Plan, Present, drafts, plan
from baton.domain.times import timestamp
from baton.usecases.catalog.define import refused, retry_on_conflict
from baton.usecases.catalog.ports import CatalogStore, DefinitionSource
from baton.usecases.llm.ports import UnsupportedSettings

_DEFINITIONS: dict[str, type[Block | Payload | Workflow]] = {"BLOCK": Block, "PAYLOAD": Payload, "WORKFLOW": Workflow}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did, or would do; ``workflow_id`` is ``None`` while the workflow isn't there."""

    changes: tuple[FileChange, ...]
    workflow_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveWorkflows:
    """What moving needs."""

    catalog: CatalogStore
    definitions: DefinitionSource
    unsupported_settings: UnsupportedSettings

    def export(self, tenant: str, workflow_id: int) -> WorkflowFile:
        """The workflow with all that it needs, and never a secret.

        :raises NotFound: if there is no such workflow.
        """
        return export(self.definitions.read_workflow(tenant, workflow_id))

    def import_file(self, tenant: str, file: WorkflowFile, now: datetime, *, dry_run: bool) -> Imported:
        """Save what the file says, each definition under its name. What it says already is left alone.

        :raises BrokenFile: if it names an LLM instance that isn't there, or that doesn't take a payload's settings.
        :raises LedgerConflict: if others keep editing the same definitions at this moment.
        """

        def once() -> Imported:
            ledger = self.catalog.read_ledger(tenant)
            present = self._present(tenant, file)
            planned = plan(file, present)
            raise_any(list(self._refused(tenant, planned, present)))
            if not dry_run:
                planned = self._save(tenant, planned, timestamp(now), ledger)
            return Imported(changes=planned.changes, workflow_id=planned.ids.get(("WORKFLOW", file.name)))

        return retry_on_conflict(once)

    def _present(self, tenant: str, file: WorkflowFile) -> Present:
        """What has the file's names; and what the payloads and the workflow of these names take, to compare them."""
        workflows = self.catalog.find(tenant, Workflow, [file.name])
        payloads = self.catalog.find(tenant, Payload, [payload.name for payload in file.payloads])
        blocks = self.catalog.find(tenant, Block, [block.title for block in file.blocks])
        instances = self.catalog.find(tenant, LlmInstance, [payload.llm_instance for payload in file.payloads])
        taken_payloads = [id_ for workflow in workflows for id_ in workflow.payloads]
        taken_blocks = [id_ for payload in payloads for id_ in payload.block_ids]
        taken_instances = [payload.llm_instance for payload in payloads]
        return Present(
            workflow=next(iter(workflows), None),
            payloads=[*payloads, *self.catalog.read_many(tenant, Payload, taken_payloads).values()],
            blocks=[*blocks, *self.catalog.read_many(tenant, Block, taken_blocks).values()],
            instances=[*instances, *self.catalog.read_many(tenant, LlmInstance, taken_instances).values()],
        )

    def _refused(self, tenant: str, planned: Plan, present: Present) -> Iterator[FieldError]:
        """What the instances, and their fallbacks, don't take of the payloads that would be saved."""
        instances = {instance.name: instance for instance in present.instances}
        by_id = with_fallbacks(present.instances, partial(self.catalog.read_many, tenant, LlmInstance))
        saved = {change.name for change in planned.to_save if change.kind == "PAYLOAD"}
        for position, payload in enumerate(planned.file.payloads):
            instance = instances[payload.llm_instance]
            if payload.name in saved:
                for refusal in refused(self.unsupported_settings, payload.settings, instance, by_id):
                    yield FieldError(path=("payloads", position, refusal.setting), sentence=refusal.detail)

    def _save(self, tenant: str, planned: Plan, now: str, ledger: Ledger) -> Plan:
        """The plan with the ids that its new definitions got.

        What doesn't fit into one transaction is saved in several, in an order in which nothing ever refers to what
        isn't there yet; when one of them fails, those before it are taken back.
        """
        reserved = self._reserve(tenant, planned)
        replacements = [_replacement(*pair, reserved, now) for pair in drafts(planned, reserved)]
        saved: list[Replacement] = []
        try:
            for batch in self.catalog.transactions(replacements):
                self.catalog.save(tenant, batch, ledger)
                saved += batch
        except Conflict:
            self._take_back(tenant, saved, now)
            raise
        return planned.with_ids(reserved)

    def _reserve(self, tenant: str, planned: Plan) -> Ids:
        created = [change for change in planned.to_save if change.action == "create"]
        return {(change.kind, change.name): self.catalog.reserve_id(tenant, change.kind) for change in created}

    def _take_back(self, tenant: str, saved: Sequence[Replacement], now: str) -> None:
        """Undo, last one first; what somebody else has taken up or changed meanwhile stays with them."""
        for replacement in reversed(saved):
            with suppress(Conflict):
                ledger = self.catalog.read_ledger(tenant)
                if replacement.current is not None:
                    former = next_version(replacement.following, replacement.current, now)
                    self.catalog.replace(tenant, replacement.following, former, ledger)
                elif not self.catalog.referrers(tenant, replacement.following):
                    self.catalog.delete(tenant, replacement.following, ledger)


def _replacement(change: FileChange, draft: Draft, reserved: Ids, now: str) -> Replacement:
    if change.current is not None:
        return Replacement(current=change.current, following=next_version(change.current, draft, now))
    kind: type[Definition] = _DEFINITIONS[change.kind]
    return Replacement(current=None, following=first_version(kind, draft, reserved[change.kind, change.name], now))
