"""Messages: pure functions from stored records to what subscribers read.

The same functions serve a change in the stream and a client that subscribes late, so both tell the same facts with
the same ids, and a client can drop what it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from baton.domain.runs.plan import completed_before
from baton.domain.runs.run import PartialAnswer, Response, Run, RunHistory

MAX_CONTENT_BYTES = 100_000
"""What one message may carry of an answer. API Gateway's own limit for a message is 128 KB."""

MAX_METADATA_BYTES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One fact about one run, as clients receive it."""

    tenant: str
    run_id: int
    type: str
    id: str
    timestamp: str
    data: dict[str, Any]

    def encode(self) -> bytes:
        """The frame that is sent."""
        envelope = {"type": self.type, "id": self.id, "timestamp": self.timestamp, "data": self.data}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write of a run, a response or a part of one, as the stream tells it; ``index`` is its place in the batch."""

    index: int
    old: Run | Response | PartialAnswer | None
    new: Run | Response | PartialAnswer


def messages_of(change: Change) -> list[Message]:
    """A response is told once, when it is written; a run tells what is new in it."""
    if isinstance(change.new, PartialAnswer):
        return [of_part(change.new)]
    if isinstance(change.new, Response):
        return [of_response(change.new)] if change.old is None else []
    return of_run_change(change.old if isinstance(change.old, Run) else None, change.new)


def of_run_change(old: Run | None, new: Run) -> list[Message]:
    """What a write of the run item tells: that it started, that a payload began, or how it ended."""
    messages = []
    if new.status == "running" and (old is None or old.status != "running"):
        messages.append(_run_started(new))
    if new.payload_started_at and (old is None or _under_way(old) != _under_way(new)):
        messages.append(_payload_started(new))
    if old is None or old.status != new.status:
        messages.extend(_run_ended(new))
    return messages


def _under_way(run: Run) -> tuple[int, str | None]:
    """Which payload, and since when; two quick ones may begin in the same millisecond."""
    return run.position, run.payload_started_at


def of_response(response: Response) -> Message:
    """A payload has answered."""
    content, cut = _cut(response.content)
    data = {
        "runId": response.run_id,
        "workflowId": response.workflow_id,
        "payloadId": response.payload_id,
        "payloadName": response.payload_name,
        "position": response.position,
        "content": content,
        "progress": _percent(completed_before(response.position) + 1, response.total),
        "metadata": _told(response.metadata),
    }
    if cut or response.content_truncated:
        data["contentTruncated"] = True
    return Message(
        tenant=response.tenant,
        run_id=response.run_id,
        type="payload_completed",
        id=f"{response.run_id}-payload_completed-{response.position}",
        timestamp=response.created_at,
        data=data,
    )


def of_part(part: PartialAnswer) -> Message:
    """A payload's answer has grown."""
    progress = _progress(part.run_id, part.workflow_id, part.attempt, part.position, part.total)
    return Message(
        tenant=part.tenant,
        run_id=part.run_id,
        type="execution_progress",
        id=f"{part.run_id}-{part.attempt}-execution_progress-{part.position}-{part.published_at}",
        timestamp=part.published_at,
        data=progress
        | {
            "payloadId": part.payload_id,
            "payloadName": part.payload_name,
            "position": part.position,
            "delta": part.delta,
            "offset": part.offset,
            "metadata": {"attempt": part.attempt, "tokens_per_second": part.tokens_per_second},
        },
    )


def of_history(history: RunHistory) -> Iterator[Message]:
    """All that has happened in a run so far, in order."""
    run = history.run
    yield from _answered(response for response in history.responses if response.attempt < run.attempt)
    if run.started_at:
        yield _run_started(run)
    yield from _answered(response for response in history.responses if response.attempt >= run.attempt)
    if run.payload_started_at and run.position >= len(history.responses):
        yield _payload_started(run)
    yield from _run_ended(run)


def _answered(responses: Iterable[Response]) -> Iterator[Message]:
    for response in responses:
        yield _payload_started_before(response)
        yield of_response(response)


def _run_started(run: Run) -> Message:
    return Message(
        tenant=run.tenant,
        run_id=run.id,
        type="execution_progress",
        id=f"{run.id}-{run.attempt}-execution_progress",
        timestamp=run.started_at or run.created_at,
        data=_progress(run.id, run.workflow_id, run.attempt, run.first_position, run.total),
    )


def _payload_started(run: Run) -> Message:
    progress = _progress(run.id, run.workflow_id, run.attempt, run.position, run.total)
    return Message(
        tenant=run.tenant,
        run_id=run.id,
        type="execution_progress",
        id=f"{run.id}-{run.attempt}-execution_progress-{run.position}",
        timestamp=run.payload_started_at or run.created_at,
        data=progress | {"payloadId": run.payload_id, "payloadName": run.payload_name, "position": run.position},
    )


def _payload_started_before(response: Response) -> Message:
    """The start of a payload that has answered since; its response keeps what the run item then said."""
    return Message(
        tenant=response.tenant,
        run_id=response.run_id,
        type="execution_progress",
        id=f"{response.run_id}-{response.attempt}-execution_progress-{response.position}",
        timestamp=response.started_at,
        data=_progress(response.run_id, response.workflow_id, response.attempt, response.position, response.total)
        | {"payloadId": response.payload_id, "payloadName": response.payload_name, "position": response.position},
    )


def _run_ended(run: Run) -> list[Message]:
    data: dict[str, Any] = {"runId": run.id, "workflowId": run.workflow_id, "status": run.status}
    match run.status:
        case "completed":
            data["progress"] = 100
        case "failed":
            data["error"] = run.error
        case "cancelled":
            pass
        case _:
            return []
    return [
        Message(
            tenant=run.tenant,
            run_id=run.id,
            type=f"workflow_{run.status}",
            id=f"{run.id}-{run.attempt}-workflow_{run.status}",
            timestamp=run.completed_at or run.created_at,
            data=data,
        )
    ]


def _progress(run_id: int, workflow_id: int, attempt: int, completed: int, total: int) -> dict[str, Any]:
    return {
        "runId": run_id,
        "workflowId": workflow_id,
        "payloadId": None,
        "payloadName": None,
        "position": None,
        "status": "running",
        "completed": completed,
        "total": total,
        "progress": _percent(completed, total),
        "metadata": {"attempt": attempt},
    }


def _percent(completed: int, total: int) -> int:
    return 100 * completed // total if total else 0


def _told(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata; without the list of references where that would take the answer's place."""
    told = dict(metadata)
    if len(_as_json(told)) > MAX_METADATA_BYTES:
        told.pop("references", None)
    return told


def _cut(content: str) -> tuple[str, bool]:
    """The content, or as much of its beginning as one message may carry once it is written as JSON."""
    if len(content) * 6 <= MAX_CONTENT_BYTES or len(_as_json(content)) <= MAX_CONTENT_BYTES:
        return content, False
    low, high = 0, min(len(content), MAX_CONTENT_BYTES)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_as_json(content[:middle])) <= MAX_CONTENT_BYTES else (low, middle - 1)
    return content[:low], True


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
