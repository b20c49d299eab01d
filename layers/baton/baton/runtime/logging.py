"""One logger for all functions: events with fields, as JSON. Never prompts, answers, keys or the environment.

Each line has the keys of its invocation, and of its run: docs/operations.md has a table of them.

An error's text may quote user data: pydantic quotes its input, a decoder its document, a provider the prompt. So an
error is logged by its type and its stack frames; of its text, only AWS error codes are logged.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from baton.domain.runs.responses import PartialAnswer, Response
from baton.domain.runs.run import Run, execution_name
from baton.domain.runs.steps import Step

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

VERBOSE_LOGGERS = ("aws_lambda_powertools", "boto3", "botocore", "s3transfer", "urllib3")
"""At level DEBUG, which the template can set for a whole function, they log what they send and receive.

Powertools logs each value of a metric again.
"""

MAX_FINDINGS = 20
"""Maximum number logged for one validation error, which may have one for each entry of a list."""

MAX_CORRELATION_IDS = 20

for name in VERBOSE_LOGGERS:
    logging.getLogger(name).setLevel(logging.INFO)

logger = Logger(serialize_stacktrace=False)
"""The template sets its service name and level, as environment variables."""


class UnexpectedError(Exception):
    """Raised by a function instead of an error whose text must not be logged."""


def start_keys(request_id: str) -> None:
    """Begin an invocation: no line has a key of the invocation before.

    The keys belong to the thread of the invocation; Powertools' other keys would belong to the process.
    """
    logger.thread_safe_clear_keys()
    append_keys(request_id=request_id)


def append_keys(**keys: Any) -> None:
    """Add keys to all further lines of this invocation; ``None`` is left out."""
    logger.thread_safe_append_keys(**keys)


def run_keys(record: Run | Response | PartialAnswer | Step) -> dict[str, Any]:
    """The keys of a line about a run, or about one of its payloads."""
    run_id = record.id if isinstance(record, Run) else record.run_id
    return {
        "tenant": record.tenant,
        "run_id": run_id,
        "attempt": record.attempt,
        "position": None if isinstance(record, Run) else record.position,
        "execution": execution_name(record.tenant, run_id, record.attempt),
        "correlation_id": record.correlation_id,
    }


def common_keys(of_each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The keys of a line about several runs or payloads: those with the same value for each, and all correlation ids.

    Of the ids, no more are listed than a line needs to be found by the runs of a usual batch.
    """
    first = of_each[0] if of_each else {}
    common = {key: value for key, value in first.items() if all(keys[key] == value for keys in of_each)}
    ids = dict.fromkeys(keys["correlation_id"] for keys in of_each if keys["correlation_id"])
    return {**common, "correlation_ids": list(ids)[:MAX_CORRELATION_IDS]}


def log_error(event: str, error: BaseException, **fields: Any) -> None:
    """Log a failure, with the types and stack frames of the error and of its causes."""
    logger.error(event, errors=[_described(each) for each in _chain(error)], **fields)


def redact_unexpected_errors(handler: Handler) -> Handler:
    """The handler, with its unexpected errors logged and replaced here, since Lambda logs the full text of an error."""

    @wraps(handler)
    def handled(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            return handler(event, context)
        except Exception as error:  # noqa: BLE001 - any error is raised again, without its text
            log_error("function failed", error)
            kind = type(type(error).__name__, (UnexpectedError,), {})  # the state machine stores the name in the run
            failure = kind("The function's log has the details.")
        raise failure

    return handled


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _described(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if findings := _findings(error):
        described["findings"] = findings
    if code := _aws_code(error):
        described["code"] = code
    return described


def _findings(error: BaseException) -> list[str]:
    """The invalid fields of a validation error. Names of nested fields are left out: they may be user input."""
    listed = getattr(error, "errors", None)
    found = listed() if callable(listed) else []
    return [f"{_field(entry['loc'])}: {entry['type']}" for entry in found[:MAX_FINDINGS]]


def _field(location: tuple[str | int, ...]) -> str:
    depth = 2 if location[:1] == ("response",) else 1
    return ".".join(str(part) for part in location[:depth])


def _aws_code(error: BaseException) -> str | None:
    """Such as ``PutItem ValidationException``."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return None
    return f"{getattr(error, 'operation_name', '')} {response.get('Error', {}).get('Code')}"
