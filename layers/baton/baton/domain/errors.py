"""Every failure that Baton knows by name.

BatonError
├── NotFound                 a definition, run or connection that is not there
├── Invalid                  what was asked can't be done, whoever asks; names the field
│   └── BrokenFile           a workflow file with faults, each with its place (in workflow_files)
├── Conflict                 what was asked clashes with what is there now
│   ├── NameTaken            another definition of this kind has the name
│   ├── VersionChanged       the definition is no longer as it was read
│   ├── InUse                other definitions refer to what was to be deleted
│   ├── LedgerConflict       definitions were linked or deleted between a check and a write
│   ├── RunNotFinished       only a finished run can be deleted or resumed
│   └── RunFinished          a finished run can't be cancelled
├── ResponseAlreadyStored    this payload's response was written by another delivery
├── AttemptSuperseded        the run was cancelled, finished or resumed meanwhile
├── ReferenceMissing         a prompt refers to what isn't there, in a run that is to fail then
├── LimitsConflict              another call has taken its turn between a read and a write
├── ConnectionGone           a WebSocket client that has left
└── LlmError                 an LLM call without a usable answer
    ├── LlmThrottled         429, 503, 529: come back later; may say when
    ├── LlmUnreachable       connection refused or reset, DNS
    ├── LlmServerError       any other 5xx, or a stop reason that says that the provider failed
    ├── LlmTimeout           no complete answer within the time-out
    ├── LlmRefused           400, 401, 403, 404, 422, content filter, unknown model
    ├── LlmOverbooked        the instance's own limits leave no turn for a very long time
    ├── LlmAnswerInvalid     an answer that isn't what the API promises
    └── LlmFormatBroken      an answer that isn't the JSON that was asked for, also when asked again

Messages are sentences for the person who asked: they name what is wrong and never hold a key, a prompt or an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from baton.domain.kinds import Referrer

MAX_REFERRERS_NAMED = 5


class BatonError(Exception):
    """Base of all named failures; ``str(error)`` is the sentence to show."""


class NotFound(BatonError):
    """Nothing with this id belongs to the tenant."""

    def __init__(self, what: str, identifier: int | str) -> None:
        super().__init__(f"There is no {what} {identifier}.")


class Invalid(BatonError):
    """A request that no retry can make right; ``field`` says where to look."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field


class Conflict(BatonError):
    """A request that clashes with the present state."""


class NameTaken(Conflict):
    """Names are unique per tenant and kind, since prompts and files refer to them."""

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
    """The run is still going on, so it can be neither deleted nor resumed."""

    def __init__(self, run_id: int, status: str) -> None:
        super().__init__(f"Run {run_id} is {status}; wait until it ends, or cancel it first.")


class RunFinished(Conflict):
    """The run has reached a final status, so this can't be done to it any more."""

    def __init__(self, run_id: int, status: str) -> None:
        super().__init__(f"Run {run_id} is already {status}.")


class ResponseAlreadyStored(BatonError):
    """Another delivery of the same payload was first; its response stands."""

    def __init__(self, position: int) -> None:
        super().__init__(f"The response of position {position} is stored already.")


class AttemptSuperseded(BatonError):
    """The run no longer waits for this attempt."""


class ReferenceMissing(BatonError):
    """What a payload needs is not in the answers before it; the run was started so as to fail then."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"There is nothing to be found for {', '.join(f'{{{{{name}}}}}' for name in names)}.")


class LimitsConflict(BatonError):
    """Another call was first to write what it takes of an LLM instance's limits."""

    def __init__(self) -> None:
        super().__init__("The limits of this LLM instance have been used by another call since they were read.")


class ConnectionGone(BatonError):
    """The WebSocket client has left; its connection id will never be valid again."""


class LlmError(BatonError):
    """An LLM call that brought no usable answer; ``calls`` is 2 where it was made to ask again for a broken one.

    ``status`` is the HTTP status that it stands for, if it stands for one.
    """

    calls = 1
    status: int | None = None


class LlmThrottled(LlmError):
    """The endpoint asks to come back later; ``retry_after`` is its own wish in seconds, when it said one."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LlmUnreachable(LlmError):
    """No connection could be made, or it broke."""


class LlmServerError(LlmError):
    """The endpoint failed on its own account: before its answer, or in the middle of it."""


class LlmTimeout(LlmError):
    """The answer was not complete within the time-out."""


class LlmRefused(LlmError):
    """The endpoint will give the same refusal again: a wrong key, model or request, or filtered content."""


class LlmOverbooked(LlmError):
    """So many calls wait for the instance's limits that a run would not live to see its turn."""


class LlmAnswerInvalid(LlmError):
    """The endpoint answered, but not with what its API promises."""


class LlmFormatBroken(LlmError):
    """The model answered, but not with JSON, or not with what the JSON Schema demands."""
