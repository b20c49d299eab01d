"""Imports in several transactions, and concurrent changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from baton.domain.catalog.definitions import (
    Block,
    BlockDraft,
    InlineBlock,
    Ledger,
    LlmInstance,
    Payload,
    Replacement,
    Workflow,
    new_definition,
)
from baton.domain.errors import LedgerConflict, NameTaken
from baton.domain.files.workflow_files import BrokenFile, FilePayload, WorkflowFile, export
from baton.domain.llm.settings import LlmSettings
from baton.usecases.files.import_workflow_file import ImportWorkflowFile
from tests.fakes.catalog import FakeCatalog
from tests.fakes.llm import FakeUnsupportedSettings
from tests.support.records import AT_NOON, NOON, TENANT, block_draft, instance_draft

NAMES = [f"p{number}" for number in range(4)]
FILE = WorkflowFile(
    name="w",
    order=tuple(NAMES),
    payloads=tuple(FilePayload(name=name, blocks=("b",), llm_instance="demo") for name in NAMES),
    blocks=(BlockDraft(title="b", content="new"),),
)


class DisturbedCatalog(FakeCatalog):
    """Another writer uses a name of the file just before the transaction with this number."""

    def __init__(self, transaction: int) -> None:
        super().__init__()
        self._left = transaction

    def save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> None:
        self._left -= 1
        if self._left == 0:
            raise NameTaken("payload", "p3", 99)
        super().save(tenant, replacements, ledger)


class MovingCatalog(FakeCatalog):
    """Something is deleted between each check and its write, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> None:
        if self._times:
            self._times -= 1
            raise LedgerConflict
        super().save(tenant, replacements, ledger)


def import_into(catalog: FakeCatalog) -> None:
    catalog.create(TENANT, new_definition(LlmInstance, instance_draft(), 1, AT_NOON), Ledger())
    catalog.create(TENANT, new_definition(Block, block_draft(title="b", content="old"), 50, AT_NOON), Ledger())
    import_file = ImportWorkflowFile(catalog=catalog, unsupported_settings=FakeUnsupportedSettings())
    import_file(TENANT, FILE, NOON, dry_run=False)


def test_an_import_in_several_transactions_stores_everything() -> None:
    catalog = FakeCatalog()
    import_into(catalog)
    (workflow,) = catalog.find(TENANT, Workflow, ["w"])
    assert [catalog.read(TENANT, Payload, id_).name for id_ in workflow.payloads] == NAMES
    assert catalog.read(TENANT, Block, 50).content == "new"


def test_an_import_that_fails_in_the_middle_is_rolled_back() -> None:
    catalog = DisturbedCatalog(transaction=2)
    with pytest.raises(NameTaken):
        import_into(catalog)
    assert catalog.find(TENANT, Payload, NAMES) == []
    assert catalog.find(TENANT, Workflow, ["w"]) == []
    assert catalog.read(TENANT, Block, 50).content == "old"


def test_an_import_is_retried_when_a_definition_was_deleted_concurrently() -> None:
    catalog = MovingCatalog(times=3)
    import_into(catalog)
    assert len(catalog.find(TENANT, Payload, NAMES)) == 4


def test_an_inline_block_is_imported_with_its_payload() -> None:
    catalog = FakeCatalog()
    catalog.create(TENANT, new_definition(LlmInstance, instance_draft(), 1, AT_NOON), Ledger())
    payload = FilePayload(name="p", blocks=(InlineBlock(content="inline"),), llm_instance="demo")
    file = WorkflowFile(name="w", order=("p",), payloads=(payload,), blocks=())
    import_file = ImportWorkflowFile(catalog=catalog, unsupported_settings=FakeUnsupportedSettings())
    imported = import_file(TENANT, file, NOON, dry_run=False)
    assert imported.workflow_id is not None
    assert export(catalog.read_workflow(TENANT, imported.workflow_id)) == file


def test_a_setting_that_the_instance_lacks_is_reported_with_its_path_and_nothing_is_saved() -> None:
    catalog, unsupported_settings = FakeCatalog(), FakeUnsupportedSettings()
    catalog.create(TENANT, new_definition(LlmInstance, instance_draft(), 1, AT_NOON), Ledger())
    import_file = ImportWorkflowFile(catalog=catalog, unsupported_settings=unsupported_settings)
    seeded = replace(FILE.payloads[2], settings=LlmSettings(seed=1))
    file = replace(FILE, payloads=(*FILE.payloads[:2], seeded, FILE.payloads[3]))
    unsupported_settings.unsupported["simulated"] = ["seed"]
    for dry_run in (True, False):
        with pytest.raises(BrokenFile, match=r"payloads\[2\]\.seed: is not supported by simulated"):
            import_file(TENANT, file, NOON, dry_run=dry_run)
    assert catalog.find(TENANT, Payload, NAMES) == []
    unsupported_settings.unsupported.clear()
    import_file(TENANT, file, NOON, dry_run=False)
    unsupported_settings.unsupported["simulated"] = ["seed"]
    changes = import_file(TENANT, file, NOON, dry_run=False).changes
    assert {change.action for change in changes} == {"keep"}, "unchanged definitions are not written"
