"""Tables and bucket: keys, indexes, time to live, encryption and expiry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import template
from tests.support.template import CHANGED, DEFAULTS

KEYS = {"pk": "S", "sk": "S"}
PROTECTED = {"DeletionProtectionEnabled": True}

TABLES: dict[str, dict[str, Any]] = {
    "RunsTable": {
        "attributes": {**KEYS, "tenant_runs": "S", "tenant_workflow": "S", "tenant_status": "S", "id": "N"},
        "indexes": {"by_tenant": "tenant_runs", "by_workflow": "tenant_workflow", "by_status": "tenant_status"},
        "expires": True,
        "more": {"StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"}, **PROTECTED},
    },
    "CatalogTable": {"attributes": KEYS, "indexes": {}, "expires": False, "more": PROTECTED},
    "ConnectionsTable": {"attributes": KEYS, "indexes": {}, "expires": True},
}
"""Attributes that are keys with their types, the first key of each index, and whether ``expires_at`` is a TTL.

A key ``more`` has further properties of the table.
"""


def key_schema(first: str, second: str) -> list[dict[str, str]]:
    return [{"AttributeName": first, "KeyType": "HASH"}, {"AttributeName": second, "KeyType": "RANGE"}]


def index(name: str, first: str) -> dict[str, Any]:
    projection = {"ProjectionType": "KEYS_ONLY"}
    return {"IndexName": name, "KeySchema": key_schema(first, "id"), "Projection": projection}


@pytest.mark.parametrize("name", TABLES)
def test_each_table_has_exactly_these_properties(name: str) -> None:
    stated = TABLES[name]
    indexes = [index(*entry) for entry in stated["indexes"].items()]
    attributes = [{"AttributeName": key, "AttributeType": kind} for key, kind in stated["attributes"].items()]
    time_to_live = {"TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True}}
    assert template.deployed(DEFAULTS)[name]["Properties"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": key_schema("pk", "sk"),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        **(time_to_live if stated["expires"] else {}),
        **stated.get("more", {}),
    }


def test_the_bucket_is_private_and_encrypted_and_texts_of_runs_expire_with_the_run() -> None:
    assert template.deployed(CHANGED)["TextsBucket"]["Properties"] == {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "ExpireWithTheRun",
                    "Status": "Enabled",
                    "Prefix": "runs/",
                    "ExpirationInDays": CHANGED["RunRetentionDays"],
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
    }
