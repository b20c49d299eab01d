"""All errors that Baton raises by name.

BatonError
├── NotFound                 a definition, run or connection that does not exist
├── Invalid                  an invalid request; names the field
│   └── BrokenFile           a workflow file with errors, each with its position (in workflow_files)
├── Conflict                 the request conflicts with the current state
│   ├── NameTaken            another definition of this kind already has the name
│   ├── VersionChanged       the definition has changed since it was read
│   ├── InUse                other definitions refer to the definition to delete
│   ├── LedgerConflict       definitions were linked or deleted between a check and a write
│   ├── RunNotFinished       only a finished run can be deleted or resumed
│   └── RunFinished          a finished run can't be cancelled
├── ResponseAlreadyStored    another delivery of this payload has already stored its response
├── AttemptSuperseded        the run was cancelled, completed or resumed meanwhile
├── ReferenceMissing         an unresolved reference in a run with ``on_missing: fail``
├── PromptTooLong            a rendered prompt, or the answers that it refers to, are over the bound
├── Overloaded               the database has no capacity for a call: retry later
├── LimitsConflict           another call used the limits between a read and a write
│   └── LimitsUnknown        whether the use of the limits was stored is not known
├── ConnectionGone           a WebSocket client has disconnected
│   └── ConnectionDropped    it was disconnected here, because it did not accept a message
├── ConnectionFailing        a frame was not accepted for one WebSocket client
└── LlmError                 an LLM call without a usable answer
    ├── LlmThrottled         429, 503, 529: retry later, after ``retry_after`` if set
    ├── LlmUnreachable       connection refused or reset, DNS
    ├── LlmServerError       any other 5xx, or a stop reason for a failure of the provider
    ├── LlmTimeout           no complete answer within the timeout
    ├── LlmRefused           400, 401, 403, 404, 422, content filter, unknown model
    ├── LlmWaitTooLong       the wait for the instance's own limits would be too long
    ├── LlmAnswerInvalid     the response does not match the provider's API
    └── LlmFormatInvalid     the answer is not the requested JSON, even after a second call

Messages are for the caller: they describe the error and never contain a key, a prompt or an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from baton.domain.kinds import Referrer

MAX_REFERRERS_NAMED = 5


class BatonError(Exception):
    """Base of all named errors; ``str(error)`` is the message for the caller."""


class NotFound(BatonError):
    """The tenant has no object with this id."""

    def __init__(self, what: str, identifier: int | str) -> None:
        super().__init__(f"There is no {what} {identifier}.")


class Invalid(BatonError):
    """An invalid request; a retry fails again. ``field`` is the invalid field."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


class Conflict(BatonError):
    """A request that conflicts with the current state."""


class NameTaken(Conflict):
    """Names are unique per tenant and kind, since prompts and files refer to definitions by name."""

    def __init__(self, kind: str, name: str, holder: int) -> None:
        super().__init__(f"The name {name!r} is taken by {kind} {holder}.")
        self.holder = holder


class VersionChanged(Conflict):
    """Another request has changed the definition since it was read."""

    def __init__(self, kind: str, definition_id: int) -> None:
        super().__init__(f"The {kind} {definition_id} is no longer as it was read; read it again.")


class InUse(Conflict):
    """Other definitions refer to this one, so it can't be deleted; ``referrers`` are these."""

    def __init__(self, referrers: Sequence[Referrer]) -> None:
        named = ", ".join(str(referrer) for referrer in referrers[:MAX_REFERRERS_NAMED])
        more = f" and {len(referrers) - MAX_REFERRERS_NAMED} more" if len(referrers) > MAX_REFERRERS_NAMED else ""
        super().__init__(f"It is used by {named}{more}; change or delete these first.")
        self.referrers = referrers


class LedgerConflict(Conflict):
    """Definitions were linked or deleted between the check of references and the write, in every retry."""

    def __init__(self) -> None:
        super().__init__("Other definitions are being changed at this moment; try again.")


class RunNotFinished(Conflict):
    """The run has no final status yet, so it can be neither deleted nor resumed."""

    def __init__(self, run_id: int, status: str) -> None:
        super().__init__(f"Run {run_id} is {status}; wait until it ends, or cancel it first.")


class RunFinished(Conflict):
    """The run has reached a final status, so it can't be cancelled."""

    def __init__(self, run_id: int, status: str) -> None:
        super().__init__(f"Run {run_id} is already {status}.")


class ResponseAlreadyStored(BatonError):
    """Another delivery of the same payload stored its response first; that response is final."""

    def __init__(self, position: int) -> None:
        super().__init__(f"The response of position {position} is stored already.")


class AttemptSuperseded(BatonError):
    """This attempt is no longer the run's current one."""


class ReferenceMissing(BatonError):
    """A reference of a payload is unresolved, and the run was started with ``on_missing: fail``."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"These references can't be resolved: {', '.join(f'{{{{{name}}}}}' for name in names)}.")


class PromptTooLong(BatonError):
    """A payload's rendered texts, or the answers that it refers to, have more than ``most`` bytes; none was sent."""

    def __init__(self, what: str, size: int, most: int) -> None:
        super().__init__(f"{what} have {size:,} bytes; at most {most:,} are allowed. Refer to shorter answers.")


class Overloaded(BatonError):
    """The database had no capacity for a call, in every retry; ``retry_after`` is the delay in seconds to suggest."""

    retry_after = 10

    def __init__(self) -> None:
        super().__init__("The database has no capacity for this request at the moment; try again in a few seconds.")


class LimitsConflict(BatonError):
    """Another call wrote its use of an LLM instance's limits first."""

    def __init__(self) -> None:
        super().__init__("The limits of this LLM instance have been used by another call since they were read.")


class LimitsUnknown(LimitsConflict):
    """DynamoDB did not respond whether it has stored the use of an LLM instance's limits."""


class ConnectionGone(BatonError):
    """The WebSocket client has disconnected; its connection id is permanently invalid."""


class ConnectionDropped(ConnectionGone):
    """The WebSocket client did not accept a frame, in every retry, and has been disconnected."""


class ConnectionFailing(BatonError):
    """The frame was not accepted for this WebSocket client; a retry may succeed."""


class LlmError(BatonError):
    """An LLM call without a usable answer; ``calls`` is 2 if an invalid JSON answer was requested again.

    ``status`` is the provider's HTTP status or its equivalent, if there is one.
    """

    calls = 1
    status: int | None = None


class LlmThrottled(LlmError):
    """The endpoint is overloaded; ``retry_after`` is the delay in seconds that it requested, if any."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LlmUnreachable(LlmError):
    """The connection could not be established, or it was reset."""


class LlmServerError(LlmError):
    """The endpoint failed, before or during its answer."""


class LlmTimeout(LlmError):
    """The answer was not complete within the timeout."""


class LlmRefused(LlmError):
    """The endpoint rejected the call, and a retry fails again: a wrong key, model or request, or filtered content."""


class LlmWaitTooLong(LlmError):
    """The wait for the instance's own limits would exceed the maximum duration of a run."""


class LlmAnswerInvalid(LlmError):
    """The endpoint's response does not match its API."""


class LlmFormatInvalid(LlmError):
    """The model's answer is not JSON, or does not match the JSON Schema."""
