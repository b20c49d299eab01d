"""Import a workflow file into the catalog: each definition under its name, all of them or none."""

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
    new_definition,
    new_version,
)
from baton.domain.catalog.fallbacks import with_fallbacks
from baton.domain.errors import Conflict
from baton.domain.field_errors import FieldError
from baton.domain.files.workflow_files import WorkflowFile, raise_any
from baton.domain.files.workflow_imports import Existing, FileChange, Ids, Plan, drafts, plan
from baton.domain.times import timestamp
from baton.usecases.catalog.define import retry_on_conflict, unsupported_by
from baton.usecases.catalog.ports import CatalogStore
from baton.usecases.llm.ports import UnsupportedSettings

_DEFINITIONS: dict[str, type[Block | Payload | Workflow]] = {"BLOCK": Block, "PAYLOAD": Payload, "WORKFLOW": Workflow}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import changed, or would change; ``workflow_id`` is ``None`` while the workflow does not exist."""

    changes: tuple[FileChange, ...]
    workflow_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWorkflowFile:
    """Save the definitions of a workflow file, or report what saving them would change."""

    catalog: CatalogStore
    unsupported_settings: UnsupportedSettings

    def __call__(self, tenant: str, file: WorkflowFile, now: datetime, *, dry_run: bool) -> Imported:
        """Save each definition under its name. A definition that is stored already as in the file is not written.

        :raises BrokenFile: if an LLM instance that the file names does not exist, or does not support a setting of a
            payload.
        :raises LedgerConflict: if other writers repeatedly change the same definitions.
        """

        def attempt() -> Imported:
            ledger = self.catalog.read_ledger(tenant)
            existing = self._existing(tenant, file)
            planned = plan(file, existing)
            raise_any(list(self._unsupported(tenant, planned, existing)))
            if not dry_run:
                planned = self._save(tenant, planned, timestamp(now), ledger)
            return Imported(changes=planned.changes, workflow_id=planned.ids.get(("WORKFLOW", file.name)))

        return retry_on_conflict(attempt)

    def _existing(self, tenant: str, file: WorkflowFile) -> Existing:
        """The definitions with the file's names, and what these refer to, so that they can be compared by name."""
        workflows = self.catalog.find(tenant, Workflow, [file.name])
        payloads = self.catalog.find(tenant, Payload, [payload.name for payload in file.payloads])
        blocks = self.catalog.find(tenant, Block, [block.title for block in file.blocks])
        instances = self.catalog.find(tenant, LlmInstance, [payload.llm_instance for payload in file.payloads])
        payload_ids = [id_ for workflow in workflows for id_ in workflow.payloads]
        block_ids = [id_ for payload in payloads for id_ in payload.block_ids]
        instance_ids = [payload.llm_instance for payload in payloads]
        return Existing(
            workflow=next(iter(workflows), None),
            payloads=[*payloads, *self.catalog.read_many(tenant, Payload, payload_ids).values()],
            blocks=[*blocks, *self.catalog.read_many(tenant, Block, block_ids).values()],
            instances=[*instances, *self.catalog.read_many(tenant, LlmInstance, instance_ids).values()],
        )

    def _unsupported(self, tenant: str, planned: Plan, existing: Existing) -> Iterator[FieldError]:
        """The settings of the payloads to save that their instances, or a fallback of these, do not support."""
        instances = {instance.name: instance for instance in existing.instances}
        by_id = with_fallbacks(existing.instances, partial(self.catalog.read_many, tenant, LlmInstance))
        saved = {change.name for change in planned.to_save if change.kind == "PAYLOAD"}
        for position, payload in enumerate(planned.file.payloads):
            instance = instances[payload.llm_instance]
            if payload.name in saved:
                for found in unsupported_by(self.unsupported_settings, payload.settings, instance, by_id):
                    yield FieldError(path=("payloads", position, found.setting), detail=found.detail)

    def _save(self, tenant: str, planned: Plan, now: str, ledger: Ledger) -> Plan:
        """The plan with the ids of its new definitions.

        What exceeds one transaction is saved in several, ordered so that no definition is stored before one that it
        refers to. If a transaction fails, the earlier ones are rolled back.
        """
        reserved = self._reserve(tenant, planned)
        replacements = [_replacement(*pair, reserved, now) for pair in drafts(planned, reserved)]
        saved: list[Replacement] = []
        try:
            for batch in self.catalog.transactions(replacements):
                self.catalog.save(tenant, batch, ledger)
                saved += batch
        except Conflict:
            self._roll_back(tenant, saved, now)
            raise
        return planned.with_ids(reserved)

    def _reserve(self, tenant: str, planned: Plan) -> Ids:
        created = [change for change in planned.to_save if change.action == "create"]
        return {(change.kind, change.name): self.catalog.reserve_id(tenant, change.kind) for change in created}

    def _roll_back(self, tenant: str, saved: Sequence[Replacement], now: str) -> None:
        """Undo the writes, last one first, except of definitions that another writer has changed or refers to."""
        for replacement in reversed(saved):
            with suppress(Conflict):
                ledger = self.catalog.read_ledger(tenant)
                if replacement.current is not None:
                    former = new_version(replacement.new, replacement.current, now)
                    self.catalog.replace(tenant, replacement.new, former, ledger)
                elif not self.catalog.referrers(tenant, replacement.new):
                    self.catalog.delete(tenant, replacement.new, ledger)


def _replacement(change: FileChange, draft: Draft, reserved: Ids, now: str) -> Replacement:
    if change.current is not None:
        return Replacement(current=change.current, new=new_version(change.current, draft, now))
    kind: type[Definition] = _DEFINITIONS[change.kind]
    return Replacement(current=None, new=new_definition(kind, draft, reserved[change.kind, change.name], now))
