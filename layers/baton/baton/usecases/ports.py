"""What the use cases need from outside. Each Protocol has one adapter and one fake, held to the same tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from baton.domain.api_keys import ApiKey, Destination
from baton.domain.catalog import Definition, Kind, Ledger, Replacement, User
from baton.domain.limits import LimitState
from baton.domain.llm import LlmAnswer, LlmCall, LlmSettings, Refusal
from baton.domain.pages import Page
from baton.domain.prompts import Reference, Sources
from baton.domain.runs import (
    AnswerPart,
    Definitions,
    PayloadSnapshot,
    Response,
    Run,
    RunHistory,
    Status,
    StepRecords,
    Variables,
)
from baton.domain.searches import Search
from baton.domain.times import Lease


class CatalogStore(Protocol):
    """The definitions of all tenants."""

    def reserve_id(self, tenant: str, kind: Kind) -> int:
        """The next id of this kind."""

    def read_ledger(self, tenant: str) -> Ledger:
        """To be read before references are checked, or users looked for."""

    def create(self, tenant: str, definition: Definition, ledger: Ledger) -> None:
        """Store a new definition.

        :raises NameTaken: if another definition of the kind has the name.
        :raises LedgerMoved: if it refers to others, and something was deleted since the ledger was read.
        """

    def replace(self, tenant: str, current: Definition, following: Definition, ledger: Ledger) -> None:
        """Store the next version of a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises NameTaken: if another definition of the kind has the new name.
        :raises LedgerMoved: if it refers to others, and something was deleted since the ledger was read.
        """

    def transactions(self, replacements: Sequence[Replacement]) -> Sequence[Sequence[Replacement]]:
        """The replacements in their order, in as few parts as can each be saved as a whole."""

    def save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> None:
        """Store all of these or none.

        :raises VersionChanged: if one has been changed or deleted since it was read.
        :raises NameTaken: if another definition of the kind has the name of a new one.
        :raises LedgerMoved: if one refers to others, and something was deleted since the ledger was read.
        """

    def delete(self, tenant: str, current: Definition, ledger: Ledger) -> None:
        """Remove a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises LedgerMoved: if a reference to anything was added since the ledger was read.
        """

    def users(self, tenant: str, definition: Definition) -> Sequence[User]:
        """Which definitions refer to this one."""

    def read[D: Definition](self, tenant: str, kind: type[D], definition_id: int) -> D:
        """:raises NotFound:"""

    def find[D: Definition](self, tenant: str, kind: type[D], names: Sequence[str]) -> Sequence[D]:
        """Those that have one of the names."""

    def read_many[D: Definition](self, tenant: str, kind: type[D], ids: Sequence[int]) -> Mapping[int, D]:
        """Those of the ids that there are."""

    def names(self, tenant: str, kind: Kind, ids: Sequence[int]) -> Mapping[int, str]:
        """What those of the ids that there are are called."""

    def page[D: Definition](self, tenant: str, kind: type[D], limit: int, after: int | None, search: Search) -> Page[D]:
        """In the order of their ids; a page may be shorter than ``limit`` and not be the last."""


class DefinitionSource(Protocol):
    """Where a run takes its snapshot from."""

    def read_workflow(self, tenant: str, workflow_id: int) -> Definitions:
        """The workflow with all that it points to and that is still there.

        :raises NotFound: if there is no such workflow.
        """


class RunHistories(Protocol):
    """What has happened in a run so far."""

    def read(self, tenant: str, run_id: int) -> Run:
        """:raises NotFound:"""

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        """The run with all responses so far, without their prompts; a long text is read as its beginning.

        :raises NotFound:
        """


class RunStore(RunHistories, Protocol):
    """Whole runs: their snapshots, their status and what they answered."""

    def reserve_ids(self, tenant: str, responses: int) -> tuple[int, int]:
        """A new run id, and the first of so many new response ids."""

    def create(self, run: Run, variables: Variables, snapshots: Sequence[PayloadSnapshot]) -> None:
        """Write the run; it can be read only once all of it is there."""

    def read_snapshots(self, tenant: str, run_id: int) -> Sequence[PayloadSnapshot]:
        """What the run executes, in order; an unknown run has none."""

    def read_responses(self, tenant: str, run_id: int, limit: int, after: int | None) -> Page[Response]:
        """By position, ``after`` one; an unknown run has none. A long text is read as its beginning."""

    def read_response(self, tenant: str, run_id: int, position: int) -> Response:
        """The response at a position; a long text is read as its beginning.

        :raises NotFound: if there is no such run, or it has not answered there.
        """

    def page(
        self, tenant: str, status: Status | None, workflow_id: int | None, limit: int, after: int | None
    ) -> Page[Run]:
        """Newest first; an empty page may still have more after it."""

    def change(self, run: Run, changed: Run) -> None:
        """Write what differs.

        :raises AttemptSuperseded: if the run has changed its status since it was read.
        """

    def delete(self, run: Run) -> None:
        """Remove a finished run with everything that belongs to it.

        :raises AttemptSuperseded: if the run has changed its status meanwhile.
        """


class LongTexts(Protocol):
    """The texts of responses that are too long to be read with them, by their keys."""

    def beginning(self, key: str, most_bytes: int) -> str:
        """At most so many bytes of it, of whole characters."""

    def url(self, key: str, seconds: int) -> str:
        """Where a client can read the whole of it for so long."""


class StepStore(Protocol):
    """The part of a run that one payload reads and writes, at the same cost at every position."""

    def read_step(self, tenant: str, run_id: int, position: int) -> StepRecords:
        """All that the guard of a payload asks, in one read."""

    def read_sources(self, run: Run, references: Sequence[Reference]) -> Sources:
        """The answers that are referred to, and the run's variables if one of them is; in one read."""

    def start_payload(self, run: Run, snapshot: PayloadSnapshot, now: str) -> None:
        """Note in the run that this payload is under way.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """

    def store_response(self, response: Response) -> None:
        """:raises ResponseAlreadyStored: if the position has one; that one stays as it is."""

    def tell_part(self, part: AnswerPart) -> None:
        """Let followers know what an answer has grown by; the part told before is no longer kept."""

    def note_tries(self, run: Run, tries: int, waited_seconds: int) -> None:
        """Note in the run what was tried for the payload that is given up now.

        :raises AttemptSuperseded: if the run is no longer running this attempt.
        """


class LimitStore(Protocol):
    """What the runs have taken of each LLM instance's limits."""

    def read(self, tenant: str, instance_id: int) -> LimitState:
        """The newest state; an instance that nobody has used yet has the first one."""

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        """Store the state in the place of the one that it was made from, as its next version.

        :raises LimitsMoved: if another one was stored since that was read.
        """


class Executions(Protocol):
    """The state machine's executions, one an attempt."""

    def start(self, run: Run) -> None:
        """Begin at ``run.first_position``; starting the same attempt twice starts it once."""

    def stop(self, run: Run) -> None:
        """End the present attempt's execution, if it is still there."""


class Connections(Protocol):
    """Who listens to what. A connection hears all its tenant's runs until it names some."""

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> None:
        """Remember a new connection; times are in epoch seconds."""

    def subscribe(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """From now on this run, and no longer all.

        ``True`` says that the caller holds the lease, and has to send the run's history: nobody has sent it since the
        connection began to follow the run, and nobody is sending it now.

        :raises Invalid: if the connection follows as many runs as it may.
        """

    def end_lease(
        self, tenant: str, connection_id: str, run_id: int, lease: Lease, not_again_before: int | None
    ) -> None:
        """The history was sent, and is not due again before this moment (epoch seconds); ``None``: it was not sent.

        Changes nothing if the connection has left the run meanwhile, or somebody else holds the lease.
        """

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """No longer this run; a run that wasn't followed is no error."""

    def disconnect(self, tenant: str, connection_id: str) -> None:
        """Forget the connection and all it followed."""

    def forget(self, tenant: str, connection_id: str, connected_before: int) -> None:
        """Forget a connection that is gone, unless it was only just made, after this moment (epoch seconds)."""

    def subscribers(self, tenant: str, run_id: int) -> frozenset[str]:
        """Connection ids that hear of this run, each once."""

    def has_subscribers(self, tenant: str, run_id: int) -> bool:
        """Whether anybody hears of this run; who came a moment ago may be missed."""


class Sender(Protocol):
    """The way to a connected client."""

    def send(self, connection_id: str, frame: bytes) -> None:
        """:raises ConnectionGone: if the client has left."""


class Llm(Protocol):
    """Every configured provider behind one call."""

    def __call__(self, call: LlmCall) -> LlmAnswer:
        """:raises LlmError: whenever there is no usable answer."""


class LlmCheck(Protocol):
    """The cheapest way to find out whether an endpoint answers."""

    def __call__(self, call: LlmCall) -> Sequence[str] | None:
        """The models that it offers, ``None`` where it tells none. A short question stands in for the call's prompt.

        :raises LlmError: if it isn't there, or refuses.
        """


class Refusals(Protocol):
    """What each provider doesn't take, known before any call."""

    def __call__(self, provider: str, settings: LlmSettings) -> Sequence[Refusal]:
        """None for settings that the provider takes."""


class Secrets(Protocol):
    """The API keys of LLM instances; write-only for clients."""

    def read_api_key(self, tenant: str, instance_id: int, destination: Destination, *, fresh: bool = False) -> str:
        """The key, for a call to this destination; a ``fresh`` one is never older than this moment.

        :raises LlmRefused: if the key that should be there is not, or was given for another destination.
        """

    def write_api_key(self, tenant: str, instance_id: int, api_key: ApiKey) -> None:
        """Keep or replace the key."""

    def delete_api_key(self, tenant: str, instance_id: int) -> None:
        """Forget the key; an instance without one is no error."""


class Clock(Protocol):
    """What time it is."""

    def __call__(self) -> datetime:
        """An aware moment in UTC."""
