"""CatalogStore and DefinitionSource: the fake and DynamoDB pass the same tests."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from baton.domain.catalog.definitions import (
    Block,
    BlockDraft,
    Definition,
    Draft,
    InlineBlock,
    LlmInstance,
    Payload,
    PayloadDraft,
    Workflow,
    new_definition,
    new_version,
)
from baton.domain.catalog.searches import Search
from baton.domain.errors import LedgerConflict, NameTaken, NotFound, VersionChanged
from baton.domain.kinds import Kind, Referrer
from baton.domain.llm.endpoints import LlmLimits, LlmPrice
from baton.domain.llm.settings import LlmSettings
from tests.support.pages import all_items
from tests.support.records import (
    AT_NOON,
    OTHER_TENANT,
    TENANT,
    block_draft,
    instance_draft,
    payload_draft,
    workflow_draft,
)
from tests.support.stores import Catalog

EVERYTHING = Search()
LATER = "2026-01-31T13:00:00.000Z"

DRAFTS: list[tuple[type[Definition], Draft]] = [
    (Block, block_draft()),
    (Block, BlockDraft(title="bare", content="")),
    (Payload, payload_draft()),
    (Payload, PayloadDraft(name="bare", blocks=(1,), llm_instance=1, settings=LlmSettings(temperature=0.0, stop=()))),
    (Payload, payload_draft(blocks=(2, InlineBlock(content="é {{x}}"), 1, 2))),
    (Workflow, workflow_draft(payloads=(1, 2, 1))),
    (Workflow, workflow_draft(payloads=())),
    (LlmInstance, instance_draft()),
    (
        LlmInstance,
        instance_draft(
            base_url="https://llm.example/v1",
            defaults=LlmSettings(temperature=0.7, options={"nested": {"ratio": 0.1}}),
            timeout_seconds=12.5,
            price=LlmPrice(prompt=0.15, completion=0.6),
            has_api_key=True,
        ),
    ),
]


def create[D: Definition](catalog: Catalog, kind: type[D], draft: Draft, tenant: str = TENANT) -> D:
    definition = new_definition(kind, draft, catalog.reserve_id(tenant, draft.kind), AT_NOON)
    catalog.create(tenant, definition, catalog.read_ledger(tenant))
    return definition


def replaced[D: Definition](catalog: Catalog, current: D, draft: Draft, tenant: str = TENANT) -> D:
    following = new_version(current, draft, LATER)
    catalog.replace(tenant, current, following, catalog.read_ledger(tenant))
    return following


def delete(catalog: Catalog, current: Definition, tenant: str = TENANT) -> None:
    catalog.delete(tenant, current, catalog.read_ledger(tenant))


def listed(catalog: Catalog, kind: type[Definition], search: Search = EVERYTHING, limit: int = 5) -> list[int]:
    """The ids of a list, read to its end page by page."""
    definitions = all_items(lambda after: catalog.page(TENANT, kind, limit, after, search), limit)
    return [definition.id for definition in definitions]


def test_each_tenant_and_kind_has_its_own_sequence_of_ids(catalog: Catalog) -> None:
    kinds: list[tuple[str, Kind]] = [
        (TENANT, "BLOCK"),
        (TENANT, "BLOCK"),
        (TENANT, "PAYLOAD"),
        (OTHER_TENANT, "BLOCK"),
    ]
    assert [catalog.reserve_id(tenant, kind) for tenant, kind in kinds] == [1, 2, 1, 1]


@pytest.mark.parametrize(("kind", "draft"), DRAFTS)
def test_a_created_definition_is_read_back(catalog: Catalog, kind: type[Definition], draft: Draft) -> None:
    created = create(catalog, kind, draft)
    assert (created.id, created.version, created.created_at, created.updated_at) == (1, 1, AT_NOON, AT_NOON)
    assert catalog.read(TENANT, kind, 1) == created
    draft_values = {f.name: getattr(created, f.name) for f in fields(draft)}
    assert type(draft)(**draft_values) == draft


def test_an_unknown_definition_is_not_found_by_its_kind(catalog: Catalog) -> None:
    create(catalog, Block, block_draft())
    with pytest.raises(NotFound, match="There is no LLM instance 1"):
        catalog.read(TENANT, LlmInstance, 1)
    with pytest.raises(NotFound, match="There is no block 2"):
        catalog.read(TENANT, Block, 2)


def test_another_tenants_definition_is_not_found(catalog: Catalog) -> None:
    create(catalog, Block, block_draft())
    with pytest.raises(NotFound):
        catalog.read(OTHER_TENANT, Block, 1)
    assert catalog.read_many(OTHER_TENANT, Block, [1]) == {}
    assert catalog.page(OTHER_TENANT, Block, 10, None, EVERYTHING).items == []


def test_a_name_is_unique_and_the_error_names_the_holder(catalog: Catalog) -> None:
    create(catalog, Payload, payload_draft("other"))
    create(catalog, Payload, payload_draft("first"))
    with pytest.raises(NameTaken, match="The name 'first' is taken by payload 2"):
        create(catalog, Payload, payload_draft("first", blocks=(2,)))
    with pytest.raises(NotFound):
        catalog.read(TENANT, Payload, 3)


def test_a_rejected_definition_does_not_replace_the_holder(catalog: Catalog) -> None:
    existing = create(catalog, Block, block_draft("Greeting", "Hello."))
    with pytest.raises(NameTaken):
        create(catalog, Block, block_draft("Greeting", "Goodbye."))
    assert catalog.page(TENANT, Block, 10, None, EVERYTHING).items == [existing]


def test_the_same_name_is_available_in_another_kind_or_tenant(catalog: Catalog) -> None:
    create(catalog, Block, block_draft("same"))
    create(catalog, Payload, payload_draft("same"))
    create(catalog, Workflow, workflow_draft("same"))
    create(catalog, LlmInstance, instance_draft("same"))
    assert create(catalog, Block, block_draft("same"), OTHER_TENANT).id == 1


def test_names_differ_by_case(catalog: Catalog) -> None:
    create(catalog, Block, block_draft("Greeting"))
    assert create(catalog, Block, block_draft("greeting")).id == 2


def test_a_replacement_is_the_next_version(catalog: Catalog) -> None:
    created = create(catalog, Block, block_draft("Greeting", "Hello."))
    following = replaced(catalog, created, block_draft("Greeting", "Good evening."))
    assert following == replace(created, content="Good evening.", version=2, updated_at=LATER)
    assert catalog.read(TENANT, Block, 1) == following


def test_renaming_releases_the_old_name_and_reserves_the_new_one(catalog: Catalog) -> None:
    created = create(catalog, Block, block_draft("old"))
    replaced(catalog, created, block_draft("new"))
    assert create(catalog, Block, block_draft("old")).id == 2
    with pytest.raises(NameTaken, match="taken by block 1"):
        create(catalog, Block, block_draft("new"))


def test_renaming_to_the_name_of_another_definition_is_rejected(catalog: Catalog) -> None:
    create(catalog, Block, block_draft("held"))
    created = create(catalog, Block, block_draft("mine"))
    with pytest.raises(NameTaken, match="The name 'held' is taken by block 1"):
        replaced(catalog, created, block_draft("held"))
    assert catalog.read(TENANT, Block, created.id) == created


def test_a_version_that_was_replaced_cannot_be_replaced_again(catalog: Catalog) -> None:
    stale = create(catalog, Block, block_draft("Greeting", "Hello."))
    current = replaced(catalog, stale, block_draft("Greeting", "first"))
    with pytest.raises(VersionChanged):
        replaced(catalog, stale, block_draft("Salute", "second"))
    assert catalog.read(TENANT, Block, 1) == current
    assert create(catalog, Block, block_draft("Salute")).id == 2


def test_a_deleted_definition_can_be_neither_replaced_nor_deleted(catalog: Catalog) -> None:
    elsewhere = create(catalog, Block, block_draft(), OTHER_TENANT)
    with pytest.raises(VersionChanged):
        replaced(catalog, elsewhere, block_draft(content="Goodbye."))
    with pytest.raises(VersionChanged):
        delete(catalog, elsewhere)
    assert catalog.read(OTHER_TENANT, Block, 1) == elsewhere


def test_a_deleted_definition_is_not_found_and_its_name_is_available(catalog: Catalog) -> None:
    delete(catalog, create(catalog, Block, block_draft("Greeting")))
    with pytest.raises(NotFound):
        catalog.read(TENANT, Block, 1)
    assert listed(catalog, Block) == []
    assert create(catalog, Block, block_draft("Greeting")).id == 2


def test_a_version_that_was_replaced_cannot_be_deleted(catalog: Catalog) -> None:
    stale = create(catalog, Block, block_draft())
    current = replaced(catalog, stale, block_draft(content="Goodbye."))
    with pytest.raises(VersionChanged):
        delete(catalog, stale)
    assert catalog.read(TENANT, Block, 1) == current


def test_referrers_are_the_definitions_that_refer_to_one(catalog: Catalog) -> None:
    blocks = [create(catalog, Block, block_draft(f"block {number}")) for number in range(1, 13)]
    instance = create(catalog, LlmInstance, instance_draft())
    own = InlineBlock(content="own")
    first = create(catalog, Payload, payload_draft("first", (1, own, 12, 1)))
    second = create(catalog, Payload, payload_draft("second", (12,), llm_instance=2))
    workflow = create(catalog, Workflow, workflow_draft(payloads=(1, 1)))
    create(catalog, Payload, payload_draft("foreign", (1, 2)), OTHER_TENANT)
    uses_first, uses_second = (
        Referrer(kind="PAYLOAD", id=1, name="first"),
        Referrer(kind="PAYLOAD", id=2, name="second"),
    )
    assert list(catalog.referrers(TENANT, blocks[0])) == [uses_first]
    assert list(catalog.referrers(TENANT, blocks[1])) == []
    assert list(catalog.referrers(TENANT, blocks[11])) == [uses_first, uses_second]
    assert list(catalog.referrers(TENANT, instance)) == [uses_first]
    assert list(catalog.referrers(TENANT, first)) == [Referrer(kind="WORKFLOW", id=1, name="Relay")]
    assert list(catalog.referrers(TENANT, second)) == list(catalog.referrers(TENANT, workflow)) == []


def test_the_referrers_of_an_instance_are_payloads_and_instances_with_it_as_fallback(catalog: Catalog) -> None:
    instance = create(catalog, LlmInstance, instance_draft("last"))
    create(catalog, LlmInstance, instance_draft("first", fallback=1))
    create(catalog, Payload, payload_draft("p", (InlineBlock(content="own"),)))
    assert list(catalog.referrers(TENANT, instance)) == [
        Referrer(kind="PAYLOAD", id=1, name="p"),
        Referrer(kind="LLM_INSTANCE", id=2, name="first"),
    ]


def test_a_workflow_is_read_with_all_fallbacks_of_its_instances(catalog: Catalog) -> None:
    limits = LlmLimits(requests_per_minute=60)
    create(catalog, LlmInstance, instance_draft("last", limits=limits, api_key_header="api-key"))
    create(catalog, LlmInstance, instance_draft("second", fallback=1))
    create(catalog, LlmInstance, instance_draft("first", fallback=2))
    create(catalog, Payload, payload_draft("p", (InlineBlock(content="own"),), llm_instance=3))
    create(catalog, Workflow, workflow_draft(payloads=(1,)))
    found = catalog.read_workflow(TENANT, 1).instances
    assert {id_: instance.fallback for id_, instance in found.items()} == {3: 2, 2: 1, 1: None}
    assert (found[1].limits, found[1].api_key_header) == (limits, "api-key")


def test_a_replacement_without_the_reference_is_no_referrer(catalog: Catalog) -> None:
    block = create(catalog, Block, block_draft())
    payload = create(catalog, Payload, payload_draft(blocks=(1,)))
    replaced(catalog, payload, payload_draft(blocks=(InlineBlock(content="own"),)))
    assert list(catalog.referrers(TENANT, block)) == []


def test_a_reference_is_rejected_after_a_deletion_since_the_ledger_was_read(catalog: Catalog) -> None:
    stale = catalog.read_ledger(TENANT)
    payload = create(catalog, Payload, payload_draft())
    delete(catalog, create(catalog, Block, block_draft()))
    late = new_definition(Payload, payload_draft("late"), 9, AT_NOON)
    with pytest.raises(LedgerConflict):
        catalog.create(TENANT, late, stale)
    with pytest.raises(LedgerConflict):
        catalog.replace(TENANT, payload, new_version(payload, payload_draft("late"), LATER), stale)
    catalog.create(TENANT, late, catalog.read_ledger(TENANT))
    assert listed(catalog, Payload) == [1, 9]


def test_a_definition_without_references_is_stored_despite_a_deletion(catalog: Catalog) -> None:
    stale = catalog.read_ledger(TENANT)
    delete(catalog, create(catalog, Block, block_draft()))
    catalog.create(TENANT, new_definition(Block, block_draft(), 9, AT_NOON), stale)
    assert listed(catalog, Block) == [9]


def test_a_deletion_is_rejected_after_a_reference_was_added_since_the_ledger_was_read(catalog: Catalog) -> None:
    block = create(catalog, Block, block_draft())
    stale = catalog.read_ledger(TENANT)
    create(catalog, Payload, payload_draft())
    with pytest.raises(LedgerConflict):
        catalog.delete(TENANT, block, stale)
    assert catalog.read(TENANT, Block, 1) == block
    delete(catalog, block)


def test_the_ledgers_of_tenants_are_independent(catalog: Catalog) -> None:
    block = create(catalog, Block, block_draft())
    stale = catalog.read_ledger(TENANT)
    create(catalog, Payload, payload_draft(), OTHER_TENANT)
    catalog.delete(TENANT, block, stale)
    with pytest.raises(NotFound):
        catalog.read(TENANT, Block, 1)


def test_pages_are_in_the_order_of_ids_and_contain_only_the_kind(catalog: Catalog) -> None:
    """Twelve definitions, so that 10 has to follow 9."""
    for number in range(1, 13):
        create(catalog, Block, block_draft(f"block {number}"))
    create(catalog, Payload, payload_draft())
    create(catalog, Block, block_draft("foreign"), OTHER_TENANT)
    assert listed(catalog, Block) == list(range(1, 13))
    assert listed(catalog, Block, limit=1) == list(range(1, 13))
    assert listed(catalog, Block, limit=12) == list(range(1, 13))


def test_a_search_filters_by_name_content_tag_and_folder(catalog: Catalog) -> None:
    create(catalog, Block, BlockDraft(title="Greeting", content="Hello.", tags=("a",), folder_path="/demo"))
    create(catalog, Block, BlockDraft(title="Farewell", content="Good night.", tags=("a", "b"), folder_path="/demo/x"))
    create(catalog, Block, BlockDraft(title="Other", content="HELLO again.", folder_path="/demolition"))
    assert listed(catalog, Block, Search(q="hello")) == [1, 3]
    assert listed(catalog, Block, Search(q="fare")) == [2]
    assert listed(catalog, Block, Search(tag="a")) == [1, 2]
    assert listed(catalog, Block, Search(folder_path="/demo")) == [1, 2]
    assert listed(catalog, Block, Search(q="o", tag="b", folder_path="/demo/x")) == [2]
    assert listed(catalog, Block, Search(q="nobody")) == []


def test_a_search_with_few_matches_among_many_reaches_the_end(catalog: Catalog) -> None:
    for number in range(1, 31):
        create(catalog, Block, block_draft(f"{'rare' if number % 10 == 0 else 'common'} {number}"))
    for limit in (1, 2, 3, 100):
        assert listed(catalog, Block, Search(q="rare"), limit) == [10, 20, 30]


def test_read_many_returns_the_existing_definitions(catalog: Catalog) -> None:
    """An id may be requested twice, which DynamoDB itself rejects."""
    first, second = create(catalog, Block, block_draft("one")), create(catalog, Block, block_draft("two"))
    assert catalog.read_many(TENANT, Block, [2, 99, 1, 2]) == {1: first, 2: second}
    assert catalog.read_many(TENANT, Block, []) == {}


def test_names_returns_the_names_of_existing_definitions(catalog: Catalog) -> None:
    """A block's name is its title."""
    create(catalog, Block, block_draft("one"))
    create(catalog, Block, block_draft("two"))
    create(catalog, Payload, payload_draft("first"))
    assert catalog.names(TENANT, "BLOCK", [2, 99, 1, 2]) == {1: "one", 2: "two"}
    assert catalog.names(TENANT, "PAYLOAD", [1, 2]) == {1: "first"}
    assert catalog.names(TENANT, "WORKFLOW", []) == {}
    assert catalog.names(OTHER_TENANT, "BLOCK", [1]) == {}


def test_read_many_returns_more_definitions_than_one_call_can(catalog: Catalog) -> None:
    """DynamoDB reads at most 100 items at once."""
    for number in range(120):
        create(catalog, Block, block_draft(f"block {number}"))
    assert set(catalog.read_many(TENANT, Block, range(1, 121))) == set(range(1, 121))


def test_a_workflow_is_read_with_all_definitions_that_it_refers_to(catalog: Catalog) -> None:
    blocks = [create(catalog, Block, block_draft(title)) for title in ("a", "b", "c")]
    instance = create(catalog, LlmInstance, instance_draft())
    payloads = [
        create(catalog, Payload, payload_draft("first", blocks=(1, 2))),
        create(catalog, Payload, payload_draft("second", blocks=(InlineBlock(content="own"), 2))),
        create(catalog, Payload, payload_draft("unused", blocks=(3,))),
    ]
    workflow = create(catalog, Workflow, workflow_draft(payloads=(2, 1, 2)))
    found = catalog.read_workflow(TENANT, 1)
    assert found.workflow == workflow
    assert found.payloads == {1: payloads[0], 2: payloads[1]}
    assert found.blocks == {1: blocks[0], 2: blocks[1]}
    assert found.instances == {1: instance}


def test_deleted_definitions_that_a_workflow_refers_to_are_omitted(catalog: Catalog) -> None:
    payload = create(catalog, Payload, payload_draft(blocks=(8,), llm_instance=9))
    create(catalog, Workflow, workflow_draft(payloads=(1, 7)))
    found = catalog.read_workflow(TENANT, 1)
    assert (found.payloads, found.blocks, found.instances) == ({1: payload}, {}, {})


def test_an_unknown_or_another_tenants_workflow_is_not_found(catalog: Catalog) -> None:
    create(catalog, Workflow, workflow_draft())
    with pytest.raises(NotFound, match="There is no workflow 2"):
        catalog.read_workflow(TENANT, 2)
    with pytest.raises(NotFound, match="There is no workflow 1"):
        catalog.read_workflow(OTHER_TENANT, 1)
