"""One logger for all functions: events with fields, as JSON. Never prompts, answers, keys or the environment.

An error's own words may quote what it met: pydantic its input, a decoder its document, a provider the prompt. So of an
error, its type and its place are logged, and no words but those that name a fault of AWS.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

VERBOSE_LOGGERS = ("boto3", "botocore", "s3transfer", "urllib3")
"""At level DEBUG, which the template may set for all of a function, they write down what they send and receive."""

MAX_FINDINGS = 20
"""Of one validation error; it may have one for each entry of a list."""

for name in VERBOSE_LOGGERS:
    logging.getLogger(name).setLevel(logging.INFO)

logger = Logger(serialize_stacktrace=False)
"""Its service name and level come from the environment, which the template sets."""


class UnexpectedError(Exception):
    """What a function fails with in the place of an error whose words belong in no log."""


def log_error(event: str, error: BaseException, **fields: Any) -> None:
    """Log that something failed, with the types and places of the error and of those behind it."""
    logger.error(event, errors=[_described(each) for each in _chain(error)], **fields)


def redact_unexpected_errors(handler: Handler) -> Handler:
    """The handler with its unexpected errors logged here, since Lambda logs what one raises word for word."""

    @wraps(handler)
    def handled(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            return handler(event, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again, without its words
            log_error("function failed", error)
            kind = type(type(error).__name__, (UnexpectedError,), {})  # the state machine tells a run's reader its name
            failure = kind("The function's log says where.")
        raise failure

    return handled


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from."""
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
    """Of a validation error: which of our fields, and what is wrong with it. Below a field, the names may be input."""
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
