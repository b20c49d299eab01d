"""Retries of calls that DynamoDB rejects for a while: it has no capacity, or a transaction writes the same item.

A partition writes at most 1,000 write units of 1 KB a second, whatever the capacity of its table:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from baton.domain.errors import Overloaded

MAX_SECONDS = 20.0
"""Leaves 9 of the 29 s of a function of the HTTP API: the last call may be retried by the client, for up to 7 s."""

FIRST_PAUSE_SECONDS = 0.04
MAX_PAUSE_SECONDS = 2.0

THROTTLING = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})
"""Errors that mean that nothing of the request was done, and that a retry may succeed.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

CONFLICT = "TransactionConflictException"
"""Another call is writing the item in a transaction: a payload's response is stored while a client cancels the run.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""


class Deadline:
    """Pauses between the retries of one or several calls, up to the end of their time."""

    def __init__(self, seconds: float = MAX_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def pause(self, tries: int) -> None:
        """Sleep after so many tries without progress: exponentially longer, with full jitter.

        :raises Overloaded: if the time ends before.
        """
        seconds = random.uniform(0, min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**tries))  # noqa: S311 - only to spread
        if time.monotonic() + seconds > self._end:
            raise Overloaded
        time.sleep(seconds)


def retry_throttled[T](call: Callable[[], T], deadline: Deadline) -> T:
    """The result of the call, which is retried while DynamoDB rejects it for the moment.

    :raises Overloaded: if it did so until the deadline.
    """
    tries = 0
    while True:
        try:
            return call()
        except ClientError as error:
            if not is_throttled(error) and error.response["Error"]["Code"] != CONFLICT:
                raise
        tries += 1
        deadline.pause(tries)


def is_throttled(error: ClientError) -> bool:
    """Whether DynamoDB rejected the whole request for lack of capacity."""
    return error.response["Error"]["Code"] in THROTTLING
