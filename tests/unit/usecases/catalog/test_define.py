"""Define blocks, payloads, workflows and LLM instances: references must exist, and keys are stored separately."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from baton.domain.catalog.definitions import (
    Block,
    Definition,
    InlineBlock,
    Ledger,
    LlmInstance,
    Payload,
    Workflow,
    new_definition,
    new_version,
)
from baton.domain.errors import InUse, Invalid, LedgerConflict, NameTaken, NotFound, VersionChanged
from baton.domain.llm.settings import LlmSettings
from baton.usecases.catalog.define import MAX_TRIES, Edit
from tests.fakes.catalog import FakeCatalog
from tests.support.records import (
    AT_NOON,
    NOON,
    OTHER_TENANT,
    TENANT,
    an_api_key,
    block_draft,
    instance_draft,
    payload_draft,
    workflow_draft,
)
from tests.support.use_cases import FakeBaton


def edit(definition_id: int, *versions: int, tenant: str = TENANT) -> Edit:
    """A change of that definition, which expects one of the versions, if any are given."""
    return Edit(tenant=tenant, definition_id=definition_id, now=NOON, versions=frozenset(versions) or None)


class BusyCatalog(FakeCatalog):
    """A catalog in which another writer makes a change after each of the first reads of the ledger."""

    def __init__(self, times: int, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.times = 0
        self.plan = (times, meanwhile)

    def read_ledger(self, tenant: str) -> Ledger:
        ledger = super().read_ledger(tenant)
        times, meanwhile = self.plan
        if self.times < times:
            self.times += 1
            meanwhile()
        return ledger


def with_another_writer(times: int, change: Callable[[], None]) -> tuple[BusyCatalog, FakeBaton]:
    """Block 1 and LLM instance 1 in a catalog whose other writer makes this change, so many times from now on."""
    catalog = BusyCatalog(0, change)
    fake_baton = FakeBaton(catalog=catalog)
    fake_baton.define.create(TENANT, Block, block_draft(), NOON)
    fake_baton.instances.create(TENANT, instance_draft(), None, NOON)
    catalog.plan = (times, change)
    return catalog, fake_baton


@pytest.fixture
def defined(fake_baton: FakeBaton) -> FakeBaton:
    """Block 1, LLM instance 1, payload 1 and workflow 1."""
    fake_baton.workflow("one")
    return fake_baton


def test_a_definition_gets_the_next_id_and_the_time(fake_baton: FakeBaton) -> None:
    block = fake_baton.define.create(TENANT, Block, block_draft(), NOON)
    assert (block.id, block.version, block.created_at, block.updated_at) == (1, 1, AT_NOON, AT_NOON)
    assert fake_baton.catalog.read(TENANT, Block, 1) == block


def test_a_payload_of_existing_definitions_is_created(defined: FakeBaton) -> None:
    payload = defined.define.create(TENANT, Payload, payload_draft("second", [1, 1]), NOON)
    assert (payload.id, payload.blocks) == (2, (1, 1))


@pytest.mark.parametrize(
    ("draft", "field", "sentence"),
    [
        (payload_draft("second", [98, 1, 99, 98], 1), "blocks", "there is no block 98, 99."),
        (payload_draft("second", [1], 99), "llm_instance", "there is no LLM instance 99."),
    ],
)
def test_a_payload_that_refers_to_unknown_definitions_is_rejected_with_the_field(
    defined: FakeBaton, draft: object, field: str, sentence: str
) -> None:
    with pytest.raises(Invalid, match=f"{field}: {sentence}"):
        defined.define.create(TENANT, Payload, draft, NOON)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        defined.catalog.read(TENANT, Payload, 2)


def test_an_inline_block_is_not_looked_up(defined: FakeBaton) -> None:
    blocks = (InlineBlock(content="Hello."), 1, InlineBlock(content="Goodbye."))
    payload = defined.define.create(TENANT, Payload, payload_draft("second", blocks), NOON)
    assert payload.blocks == blocks


def test_a_workflow_of_unknown_payloads_is_rejected(defined: FakeBaton) -> None:
    with pytest.raises(Invalid, match=r"payloads: there is no payload 98, 99\."):
        defined.define.create(TENANT, Workflow, workflow_draft("other", [98, 1, 99]), NOON)


def test_another_tenants_definitions_are_not_found(defined: FakeBaton) -> None:
    with pytest.raises(Invalid, match="payloads: there is no payload 1"):
        defined.define.create(OTHER_TENANT, Workflow, workflow_draft(), NOON)


def test_an_empty_workflow_can_be_created(fake_baton: FakeBaton) -> None:
    assert fake_baton.define.create(TENANT, Workflow, workflow_draft(payloads=()), NOON).payloads == ()


def test_a_replacement_is_checked_like_a_new_definition(defined: FakeBaton) -> None:
    with pytest.raises(Invalid, match="payloads: there is no payload 99"):
        defined.define.replace(edit(1), Workflow, workflow_draft(payloads=[99]))
    with pytest.raises(NotFound, match="There is no workflow 99"):
        defined.define.replace(edit(99), Workflow, workflow_draft())
    following = defined.define.replace(edit(1), Workflow, workflow_draft("renamed", [1, 1]))
    assert (following.id, following.version, following.name, following.payloads) == (1, 2, "renamed", (1, 1))


def test_an_unknown_provider_is_rejected_and_the_known_ones_are_named(fake_baton: FakeBaton) -> None:
    with pytest.raises(Invalid, match="provider: 'magic' is none of anthropic, openai, simulated"):
        fake_baton.instances.create(TENANT, instance_draft(provider="magic"), "sk-one", NOON)
    assert fake_baton.secrets.keys == {}


def test_defaults_that_the_provider_does_not_support_are_rejected_before_the_key_is_stored(
    fake_baton: FakeBaton,
) -> None:
    fake_baton.unsupported_settings.unsupported["openai"] = ["seed"]
    draft = instance_draft(provider="openai", defaults=LlmSettings(seed=0), base_url="https://api.openai.com/v1")
    with pytest.raises(Invalid, match=r"^defaults\.seed: is not supported by openai\.$"):
        fake_baton.instances.create(TENANT, draft, "sk-one", NOON)
    assert fake_baton.secrets.keys == {}
    fake_baton.instances.create(TENANT, replace(draft, provider="simulated"), None, NOON)
    with pytest.raises(Invalid, match=r"^defaults\.seed"):
        fake_baton.instances.replace(edit(1), draft, None)


def test_a_setting_that_the_payloads_provider_does_not_support_is_rejected(defined: FakeBaton) -> None:
    defined.unsupported_settings.unsupported["simulated"] = ["seed"]
    draft = replace(payload_draft("second"), settings=LlmSettings(seed=0))
    with pytest.raises(Invalid, match=r"^seed: is not supported by simulated\.$"):
        defined.define.create(TENANT, Payload, draft, NOON)
    with pytest.raises(Invalid, match=r"^seed"):
        defined.define.replace(edit(1), Payload, draft)
    assert defined.define.create(TENANT, Payload, replace(draft, settings=LlmSettings()), NOON).id == 3


def test_an_instance_without_a_key_has_no_secret(fake_baton: FakeBaton) -> None:
    instance = fake_baton.instances.create(TENANT, instance_draft(), None, NOON)
    assert (instance.has_api_key, fake_baton.secrets.keys) == (False, {})


def test_a_key_is_stored_only_as_a_secret(fake_baton: FakeBaton) -> None:
    instance = fake_baton.instances.create(TENANT, instance_draft(), "sk-one", NOON)
    assert instance.has_api_key
    assert fake_baton.secrets.keys == {(TENANT, instance.id): "sk-one"}
    assert "sk-one" not in repr(fake_baton.catalog.read(TENANT, LlmInstance, instance.id))


def test_a_key_is_not_stored_when_the_name_is_taken(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, instance_draft("same"), "sk-one", NOON)
    with pytest.raises(NameTaken):
        fake_baton.instances.create(TENANT, instance_draft("same"), "sk-two", NOON)
    assert fake_baton.secrets.keys == {(TENANT, 1): "sk-one"}


def test_a_key_remains_when_the_replacement_has_none(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, instance_draft(), "sk-one", NOON)
    following = fake_baton.instances.replace(edit(1), instance_draft(model="large-1"), None)
    assert (following.model, following.has_api_key) == ("large-1", True)
    assert fake_baton.secrets.keys == {(TENANT, 1): "sk-one"}


def test_a_replacement_can_set_a_key(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, instance_draft(), None, NOON)
    following = fake_baton.instances.replace(edit(1), instance_draft(), "sk-new")
    assert following.has_api_key
    assert fake_baton.secrets.keys == {(TENANT, 1): "sk-new"}


def test_a_rejected_replacement_does_not_change_the_key(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, instance_draft("one"), "sk-one", NOON)
    fake_baton.instances.create(TENANT, instance_draft("two"), None, NOON)
    with pytest.raises(NameTaken):
        fake_baton.instances.replace(edit(1), instance_draft("two"), "sk-new")
    with pytest.raises(NotFound):
        fake_baton.instances.replace(edit(1, tenant=OTHER_TENANT), instance_draft("one"), "sk-new")
    assert fake_baton.secrets.keys == {(TENANT, 1): "sk-one"}


def test_a_change_that_expects_another_version_is_rejected(defined: FakeBaton) -> None:
    defined.define.replace(edit(1, 1), Block, block_draft("b0", "two"))
    with pytest.raises(VersionChanged):
        defined.define.replace(edit(1, 1), Block, block_draft("b0", "three"))
    with pytest.raises(VersionChanged):
        defined.define.delete(edit(1, 1), Block)
    assert defined.catalog.read(TENANT, Block, 1).content == "two"
    assert defined.define.replace(edit(1, 1, 2), Block, block_draft("b0", "three")).version == 3


def test_without_a_version_the_last_writer_wins(defined: FakeBaton) -> None:
    defined.define.replace(edit(1), Block, block_draft("b0", "two"))
    assert defined.define.replace(edit(1), Block, block_draft("b0", "three")).version == 3


def test_a_change_is_retried_after_a_concurrent_one_unless_it_expects_a_version() -> None:
    def overtaken() -> None:
        block = FakeCatalog.read(catalog, TENANT, Block, 1)
        following = new_version(block, block_draft(content=f"after {block.content}"), AT_NOON)
        FakeCatalog.replace(catalog, TENANT, block, following, Ledger())

    class Overtaken(FakeCatalog):
        times = 0

        def replace(self, tenant: str, current: Definition, following: Definition, ledger: Ledger) -> None:
            if self.times:
                self.times -= 1
                overtaken()
            super().replace(tenant, current, following, ledger)

    catalog = Overtaken()
    fake_baton = FakeBaton(catalog=catalog)
    fake_baton.define.create(TENANT, Block, block_draft(content="one"), NOON)
    catalog.times = 2
    assert fake_baton.define.replace(edit(1), Block, block_draft(content="mine")).version == 4
    catalog.times = 1
    with pytest.raises(VersionChanged):
        fake_baton.define.replace(edit(1, 4), Block, block_draft(content="mine"))
    assert catalog.read(TENANT, Block, 1).content == "after mine"


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Block, r"used by payload 1 \(p0\)"),
        (LlmInstance, r"used by payload 1 \(p0\)"),
        (Payload, r"used by workflow 1 \(Relay\)"),
    ],
)
def test_a_definition_with_referrers_is_not_deleted(defined: FakeBaton, kind: type[Definition], sentence: str) -> None:
    with pytest.raises(InUse, match=sentence):
        defined.define.delete(edit(1), kind)
    assert defined.catalog.read(TENANT, kind, 1).id == 1


def test_a_definition_without_referrers_is_deleted(defined: FakeBaton) -> None:
    defined.define.delete(edit(1), Workflow)
    defined.define.delete(edit(1), Payload)
    defined.define.delete(edit(1), Block)
    with pytest.raises(NotFound):
        defined.catalog.read(TENANT, Block, 1)
    with pytest.raises(NotFound):
        defined.define.delete(edit(1), Block)


def test_the_key_of_a_deleted_instance_is_deleted(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, instance_draft(), "sk-one", NOON)
    fake_baton.instances.delete(edit(1))
    assert fake_baton.secrets.keys == {}


def test_the_key_of_an_instance_in_use_is_not_deleted(defined: FakeBaton) -> None:
    defined.secrets.write_api_key(TENANT, 1, an_api_key())
    with pytest.raises(InUse):
        defined.instances.delete(edit(1))
    assert defined.secrets.keys == {(TENANT, 1): "sk-one"}


def test_a_concurrently_added_reference_stops_the_deletion() -> None:
    """Both have passed their checks; the first writer wins."""

    def refer_to_it() -> None:
        payload = new_definition(Payload, payload_draft("late", [1], 1), 9, AT_NOON)
        FakeCatalog.create(catalog, TENANT, payload, FakeCatalog.read_ledger(catalog, TENANT))

    catalog, fake_baton = with_another_writer(1, refer_to_it)
    with pytest.raises(InUse, match="payload 9"):
        fake_baton.define.delete(edit(1), Block)
    assert catalog.read(TENANT, Block, 1).id == 1


def test_a_concurrent_deletion_stops_the_reference() -> None:
    def delete_it() -> None:
        block = FakeCatalog.read(catalog, TENANT, Block, 1)
        FakeCatalog.delete(catalog, TENANT, block, FakeCatalog.read_ledger(catalog, TENANT))

    catalog, fake_baton = with_another_writer(1, delete_it)
    with pytest.raises(Invalid, match="blocks: there is no block 1"):
        fake_baton.define.create(TENANT, Payload, payload_draft("late", [1], 1), NOON)


def test_a_change_that_conflicts_in_every_try_fails() -> None:
    others = count()

    def delete_another() -> None:
        other = new_definition(Block, block_draft(f"other {next(others)}"), 50, AT_NOON)
        FakeCatalog.create(catalog, TENANT, other, Ledger())
        FakeCatalog.delete(catalog, TENANT, other, FakeCatalog.read_ledger(catalog, TENANT))

    catalog, fake_baton = with_another_writer(1000, delete_another)
    with pytest.raises(LedgerConflict):
        fake_baton.define.create(TENANT, Payload, payload_draft("late", [1], 1), NOON)
    assert catalog.times == MAX_TRIES
    catalog.plan = (catalog.times + MAX_TRIES - 1, delete_another)
    assert fake_baton.define.create(TENANT, Payload, payload_draft("late", [1], 1), NOON).name == "late"
