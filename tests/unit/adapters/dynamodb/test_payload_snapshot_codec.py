"""Snapshots as items, of this version and older ones."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from baton.adapters.dynamodb.codecs.attributes import as_json, to_attributes
from baton.adapters.dynamodb.codecs.payload_snapshot import snapshot_from_item, snapshot_to_item
from baton.domain.llm.endpoints import LlmLimits, LlmPrice, LlmTarget
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from tests.support.records import a_run, a_snapshot, an_endpoint

IN_PROMPT = Reference(name="facts.items[0]", source="response", position=0, path=("items", 0))
IN_SYSTEM = Reference(name="topic", source="variable", where="system")
OTHER = LlmTarget(
    endpoint=an_endpoint(
        instance_id=9, limits=LlmLimits(max_concurrency=2), price=LlmPrice(prompt=0.1, completion=2.0)
    ),
    settings=LlmSettings(system="Be brief.", unset=("stop",)),
)


def test_a_snapshot_is_read_back() -> None:
    snapshot = a_snapshot(1, references=[IN_PROMPT])
    snapshot = replace(snapshot, targets=(replace(snapshot.own_target, references=(IN_SYSTEM,)), OTHER))
    assert snapshot_from_item(snapshot_to_item(a_run(), snapshot)) == snapshot


def test_a_snapshot_of_an_older_version_is_read_in_the_present_form() -> None:
    """Older items contain the fields of the own target, the fallbacks and all references at the top level."""
    own = a_snapshot(1).own_target
    item = to_attributes(
        {
            "position": 1,
            "payload_id": 12,
            "payload_name": "first",
            "template": "Say something.",
            "references": as_json([asdict(IN_PROMPT), asdict(IN_SYSTEM)]),
            "on_missing": "empty",
            "settings": as_json(asdict(own.settings)),
            "endpoint": as_json(asdict(own.endpoint)),
            "fallbacks": as_json([{"endpoint": asdict(OTHER.endpoint), "settings": asdict(OTHER.settings)}]),
        }
    )
    expected = a_snapshot(1, references=[IN_PROMPT], targets=(replace(own, references=(IN_SYSTEM,)), OTHER))
    assert snapshot_from_item(item) == expected


def test_a_snapshot_of_a_version_without_prices_has_none() -> None:
    item = snapshot_to_item(a_run(), a_snapshot(1))
    targets = json.loads(item["targets"]["S"])
    assert targets[0]["endpoint"].pop("price", "missing") is None
    assert snapshot_from_item({**item, "targets": {"S": json.dumps(targets)}}) == a_snapshot(1)
