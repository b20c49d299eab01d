"""Writes that are all done or none, each with the error to raise when its condition fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from baton.adapters.dynamodb.codecs.attributes import from_attributes
from baton.domain.errors import BatonError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

MAX_WRITES = 100
"""The most writes in one transaction.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

MAX_TRIES = 8
FIRST_PAUSE_SECONDS = 0.02

type ConditionError = Callable[[dict[str, Any]], BatonError]
"""From the existing item, as plain values, to the error; the values are empty if there is no item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of a transaction."""

    request: TransactWriteItemTypeDef
    error: ConditionError | None = None


def transact(client: DynamoDBClient, writes: Sequence[Write]) -> None:
    """Do all the writes; retry while another transaction is writing one of the items.

    :raises BatonError: the error of the first write whose condition failed.
    """
    for tries in range(1, MAX_TRIES + 1):
        try:
            client.transact_write_items(TransactItems=[write.request for write in writes])
        except ClientError as error:
            reasons = _reasons(error)
            _raise_condition_error(writes, reasons, error)
            if tries == MAX_TRIES or not _has_only_conflicts(reasons):
                raise
            time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**tries))  # noqa: S311 - only to spread the tries
        else:
            return


def _reasons(error: ClientError) -> Sequence[dict[str, Any]]:
    reasons: Sequence[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    return reasons


def _raise_condition_error(writes: Sequence[Write], reasons: Sequence[dict[str, Any]], error: ClientError) -> None:
    for write, reason in zip(writes, reasons, strict=False):
        if reason.get("Code") == "ConditionalCheckFailed" and write.error:
            raise write.error(from_attributes(reason.get("Item", {}))) from error


def _has_only_conflicts(reasons: Sequence[dict[str, Any]]) -> bool:
    codes = {reason.get("Code") for reason in reasons}
    return "TransactionConflict" in codes and codes <= {"TransactionConflict", "None", None}
