"""Records that are too large for an item are read completely, and small records need no additional call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.adapters.dynamodb.catalog import DynamoCatalogStore
from baton.adapters.dynamodb.large_records import MAX_ITEM_BYTES, MAX_TEXT_BYTES, item_bytes
from baton.adapters.dynamodb.runs import DynamoRunStore
from baton.adapters.dynamodb.steps import DynamoStepStore
from baton.adapters.s3 import S3Texts
from baton.domain.catalog.definitions import (
    MAX_REFERENCES_PER_PAYLOAD,
    Block,
    BlockDraft,
    Definition,
    Draft,
    InlineBlock,
    LlmInstance,
    Payload,
    Replacement,
    new_definition,
    new_version,
)
from baton.domain.catalog.searches import Search
from baton.domain.errors import NotFound, PromptTooLong, VersionChanged
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from baton.domain.runs.responses import NextPayload, references_metadata
from baton.domain.templates import MAX_NAME_CHARACTERS
from tests.support.aws import Account
from tests.support.records import (
    AT_NOON,
    TENANT,
    a_response,
    a_run,
    a_snapshot,
    instance_draft,
    payload_draft,
)

LONG = "é" * 200_000
"""400 KB."""

DRAFTS: list[tuple[type[Definition], Draft]] = [
    (Block, BlockDraft(title="large", content=LONG, tags=("a", "b"), folder_path="/x")),
    (Payload, payload_draft("large", (InlineBlock(content=LONG), 1, InlineBlock(content="{{x}}")))),
    (Payload, replace(payload_draft("large"), settings=LlmSettings(system=LONG, unset=("temperature",)))),
    (LlmInstance, instance_draft("large", defaults=LlmSettings(system=LONG), timeout_seconds=12.5)),
]


@pytest.fixture
def catalog(aws: Account) -> DynamoCatalogStore:
    return DynamoCatalogStore(aws.dynamodb, aws.catalog_table, S3Texts(lambda: aws.s3, aws.texts_bucket))


@pytest.fixture
def create(catalog: DynamoCatalogStore) -> Callable[[type[Definition], Draft], Any]:
    def created(kind: type[Definition], draft: Draft) -> Any:
        definition = new_definition(kind, draft, catalog.reserve_id(TENANT, draft.kind), AT_NOON)
        catalog.create(TENANT, definition, catalog.read_ledger(TENANT))
        return definition

    return created


def objects(aws: Account) -> list[str]:
    return [entry["Key"] for entry in aws.s3.list_objects_v2(Bucket=aws.texts_bucket).get("Contents", [])]


def no_s3() -> Any:
    raise AssertionError("no client of S3 is needed")


@pytest.mark.parametrize(("kind", "draft"), DRAFTS)
def test_every_reader_returns_a_large_definition_completely(
    aws: Account, catalog: DynamoCatalogStore, create: Any, kind: type[Definition], draft: Draft
) -> None:
    definition = create(kind, draft)
    assert catalog.read(TENANT, kind, definition.id) == definition
    assert catalog.read_many(TENANT, kind, [definition.id]) == {definition.id: definition}
    assert catalog.find(TENANT, kind, ["large"]) == [definition]
    assert catalog.page(TENANT, kind, 10, None, Search()).items == [definition]
    assert catalog.names(TENANT, kind.kind, [definition.id]) == {definition.id: "large"}
    (key,) = objects(aws)
    assert key.startswith(f"catalog/{TENANT}/{kind.kind}/{definition.id}/1/")


def test_a_large_definition_is_found_as_a_referrer(catalog: DynamoCatalogStore, create: Any) -> None:
    block = create(Block, BlockDraft(title="b", content="x"))
    create(*DRAFTS[1])
    assert [user.name for user in catalog.referrers(TENANT, block)] == ["large"]


def test_a_small_definition_needs_no_s3_client(aws: Account) -> None:
    store = DynamoCatalogStore(aws.dynamodb, aws.catalog_table, S3Texts(no_s3, aws.texts_bucket))
    room = MAX_ITEM_BYTES - 1_000
    block = new_definition(Block, BlockDraft(title="b", content='"' * room), 1, AT_NOON)
    ledger = store.read_ledger(TENANT)
    store.create(TENANT, block, ledger)
    following = new_version(block, replace(block, content="x"), AT_NOON)
    store.replace(TENANT, block, following, ledger)
    assert store.read(TENANT, Block, 1) == following
    store.delete(TENANT, following, ledger)


def test_the_texts_of_a_former_version_are_removed_and_those_of_the_current_one_remain(
    aws: Account, catalog: DynamoCatalogStore, create: Any
) -> None:
    block = create(*DRAFTS[0])
    same = new_version(block, block, AT_NOON)
    catalog.replace(TENANT, block, same, catalog.read_ledger(TENANT))
    assert catalog.read(TENANT, Block, 1) == same
    assert len(objects(aws)) == 1
    small = new_version(same, replace(block, content="x"), AT_NOON)
    catalog.replace(TENANT, same, small, catalog.read_ledger(TENANT))
    assert (catalog.read(TENANT, Block, 1), objects(aws)) == (small, [])


def test_a_deleted_definition_leaves_no_text(aws: Account, catalog: DynamoCatalogStore, create: Any) -> None:
    catalog.delete(TENANT, create(*DRAFTS[0]), catalog.read_ledger(TENANT))
    assert objects(aws) == []


def test_a_rejected_replacement_does_not_affect_the_stored_definition(catalog: DynamoCatalogStore, create: Any) -> None:
    block = create(*DRAFTS[0])
    second = new_version(block, replace(block, content=LONG + "2"), AT_NOON)
    catalog.replace(TENANT, block, second, catalog.read_ledger(TENANT))
    with pytest.raises(VersionChanged):
        catalog.replace(TENANT, block, new_version(block, block, AT_NOON), catalog.read_ledger(TENANT))
    assert catalog.read(TENANT, Block, 1) == second


def test_a_text_that_cannot_be_removed_remains_and_the_change_succeeds(
    aws: Account, catalog: DynamoCatalogStore, create: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = create(*DRAFTS[0])

    def refused(**_request: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "DeleteObject")

    monkeypatch.setattr(aws.s3, "delete_object", refused)
    catalog.delete(TENANT, block, catalog.read_ledger(TENANT))
    with pytest.raises(NotFound):
        catalog.read(TENANT, Block, 1)


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
def test_a_version_that_is_replaced_between_the_reads_of_item_and_text_is_read_again(
    aws: Account, catalog: DynamoCatalogStore, create: Any, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The definition is replaced after its item has been read, and the text of the old version no longer exists."""
    block = create(*DRAFTS[0])
    newer = new_version(block, replace(block, content=LONG + "2"), AT_NOON)
    get_object = aws.s3.get_object
    versions = [block, newer]

    def replaced_meanwhile(**_request: Any) -> Any:
        monkeypatch.setattr(aws.s3, "get_object", get_object)
        catalog.replace(TENANT, versions[-2], versions[-1], catalog.read_ledger(TENANT))
        raise ClientError({"Error": {"Code": code}}, "GetObject")

    reads: list[Callable[[], Block]] = [
        lambda: catalog.read(TENANT, Block, 1),
        lambda: catalog.read_many(TENANT, Block, [1])[1],
        lambda: catalog.page(TENANT, Block, 1, None, Search()).items[0],
    ]
    for read in reads:
        monkeypatch.setattr(aws.s3, "get_object", replaced_meanwhile)
        last = versions[-1]
        assert read() == last
        versions.append(new_version(last, replace(last, content=last.content + "2"), AT_NOON))


def test_a_definition_that_is_deleted_between_the_reads_of_item_and_text_is_not_found(
    aws: Account, catalog: DynamoCatalogStore, create: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = create(*DRAFTS[0])
    get_object = aws.s3.get_object

    def deleted_meanwhile(**request: Any) -> Any:
        monkeypatch.setattr(aws.s3, "get_object", get_object)
        catalog.delete(TENANT, block, catalog.read_ledger(TENANT))
        return get_object(**request)

    monkeypatch.setattr(aws.s3, "get_object", deleted_meanwhile)
    with pytest.raises(NotFound):
        catalog.read(TENANT, Block, 1)


def test_a_page_of_large_blocks_ends_before_the_response_becomes_too_large(
    catalog: DynamoCatalogStore, create: Any
) -> None:
    blocks = [create(Block, BlockDraft(title=f"b{number}", content="x" * 360_000)) for number in range(4)]
    page = catalog.page(TENANT, Block, 10, None, Search())
    assert (page.items, page.next_after) == (blocks[:2], 2)
    assert catalog.page(TENANT, Block, 10, 2, Search()).items == blocks[2:]


def test_a_search_through_large_blocks_reaches_the_end(catalog: DynamoCatalogStore, create: Any) -> None:
    for number in range(3):
        create(Block, BlockDraft(title=f"b{number}", content=LONG + ("needle" if number == 2 else "")))
    assert [block.title for block in catalog.page(TENANT, Block, 1, None, Search(q="needle")).items] == ["b2"]


def test_the_size_of_a_transaction_is_the_size_of_its_request(
    catalog: DynamoCatalogStore,
) -> None:
    def replacements(size: int, character: str = "x") -> list[Replacement]:
        drafts = [BlockDraft(title=f"b{number}", content=character * size) for number in range(12)]
        return [
            Replacement(current=None, new=new_definition(Block, draft, number + 1, AT_NOON))
            for number, draft in enumerate(drafts)
        ]

    assert [len(part) for part in catalog.transactions(replacements(300_000))] == [9, 3]
    assert [len(part) for part in catalog.transactions(replacements(400_000))] == [12]
    assert [len(part) for part in catalog.transactions(replacements(150_000, '"'))] == [9, 3]
    catalog.save(TENANT, replacements(400_000), catalog.read_ledger(TENANT))
    assert len(catalog.read_many(TENANT, Block, range(1, 13))) == 12


@pytest.mark.parametrize("character", ["x", "🙂", "\x01", '"'])
def test_a_response_with_the_longest_names_and_texts_fits_into_an_item(aws: Account, character: str) -> None:
    name = character * MAX_NAME_CHARACTERS
    references = [
        Reference(name=f"{number:03d}{name[3:]}", source="response", position=199, where=where)
        for where in ("prompt", "system")
        for number in range(MAX_REFERENCES_PER_PAYLOAD)
    ]
    label = character * 200
    names = {"llm_instance": label, "fallback_from": [label] * 4, "model": label, "finish_reason": label}
    metadata = names | {"last_failure": character * 500} | references_metadata(references)
    texts = S3Texts(lambda: aws.s3, aws.texts_bucket)
    steps = DynamoStepStore(aws.dynamodb, aws.runs_table, texts)
    DynamoRunStore(aws.dynamodb, aws.runs_table, texts).create(a_run(), {}, [])
    following = NextPayload(position=199, payload_id=99, payload_name=label)
    for position, size in enumerate((MAX_TEXT_BYTES // 4, 1_000_000)):
        text = character * size
        response = a_response(position, payload_name=label, content=text, prompt=text, metadata=metadata)
        steps.store_response(a_run(), replace(response, following=following))
    sizes = [item_bytes(item) for item in aws.dynamodb.scan(TableName=aws.runs_table)["Items"]]
    assert len(sizes) == 4
    assert max(sizes) <= MAX_ITEM_BYTES
    assert metadata.get("references_truncated", False) == (character != "x")


def test_every_reader_returns_a_large_snapshot_completely_and_it_is_deleted_with_its_run(aws: Account) -> None:
    texts = S3Texts(lambda: aws.s3, aws.texts_bucket)
    runs = DynamoRunStore(aws.dynamodb, aws.runs_table, texts)
    steps = DynamoStepStore(aws.dynamodb, aws.runs_table, texts)
    reference = Reference(name="user.x", source="variable", path=("x",), variable="user", where="system")
    large = a_snapshot(0, template=LONG)
    large = replace(large, targets=(replace(large.own_target, references=(reference,)),))
    small = a_snapshot(1)
    run = a_run(status="completed")
    runs.create(run, {}, [large, small])
    steps.store_response(a_run(), a_response(0, content="x" * 200_000))
    assert runs.read_snapshots(a_run()) == [large, small]
    assert steps.read_step(TENANT, 1, 0).snapshot == large
    assert len(objects(aws)) == 2
    assert all(key.startswith(f"runs/{TENANT}/1/") for key in objects(aws))
    runs.delete(run)
    assert objects(aws) == []


def test_answers_that_are_too_long_for_a_prompt_are_not_read(aws: Account) -> None:
    """A path into an answer needs the whole answer in memory."""
    writing = DynamoStepStore(aws.dynamodb, aws.runs_table, S3Texts(lambda: aws.s3, aws.texts_bucket))
    run = a_run(total=3)
    DynamoRunStore(aws.dynamodb, aws.runs_table, S3Texts(lambda: aws.s3, aws.texts_bucket)).create(run, {}, [])
    for position in (0, 1):
        writing.store_response(run, replace(a_response(position=position), content="x" * 6_000_000))
    reading = DynamoStepStore(aws.dynamodb, aws.runs_table, S3Texts(lambda: pytest.fail("S3 is read"), "texts"))
    into = [Reference(name=f"p{at}.x", source="response", position=at, path=("x",)) for at in (0, 1)]
    with pytest.raises(PromptTooLong, match="12,000,000 bytes; at most 10,000,000"):
        reading.read_sources(run, into)
    assert len(writing.read_sources(run, into[:1]).contents[0]) == 6_000_000
