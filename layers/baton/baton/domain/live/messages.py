"""Messages: pure functions from stored records to what subscribers receive.

The same functions serve a change in the stream and a client that subscribes late, so both receive the same messages
with the same ids. Ids are stable; clients deduplicate by ``id``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from baton.domain.runs.plan import completed_before
from baton.domain.runs.responses import NextPayload, PartialAnswer, Response
from baton.domain.runs.run import Run, RunHistory, Status
from baton.domain.times import epoch_ms

MessageType = Literal[
    "execution_progress", "payload_completed", "workflow_completed", "workflow_failed", "workflow_cancelled"
]

MAX_CONTENT_BYTES = 100_000
"""Of an answer in one message, as JSON. API Gateway's own limit for a message is 128 KB."""

MAX_METADATA_BYTES = 20_000

_FINAL_TYPES: Mapping[Status, MessageType] = {
    "completed": "workflow_completed",
    "failed": "workflow_failed",
    "cancelled": "workflow_cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event of one run, as clients receive it."""

    tenant: str
    run_id: int
    type: MessageType
    id: str
    timestamp: str
    data: dict[str, Any]

    def encode(self) -> bytes:
        """The frame to send."""
        envelope = {"type": self.type, "id": self.id, "timestamp": self.timestamp, "data": self.data}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write of a run, a response or a partial answer; ``index`` is its place in the stream's batch.

    ``written_second`` is the time of the write in epoch seconds, rounded down, if it is known.
    """

    index: int
    old: Run | Response | PartialAnswer | None
    new: Run | Response | PartialAnswer
    written_second: int | None = None


def messages_of_change(change: Change) -> list[Message]:
    """The messages of one write; a response has messages only when it is created."""
    if isinstance(change.new, PartialAnswer):
        return [message_of_partial_answer(change.new)]
    if isinstance(change.new, Response):
        return messages_of_new_response(change.new) if change.old is None else []
    return messages_of_run_change(change.old if isinstance(change.old, Run) else None, change.new)


def written_ms(change: Change, messages: Iterable[Message]) -> int | None:
    """When the change was written, in milliseconds since 1970: the time of its newest message, within the second that
    is known; ``None`` if none is."""
    if change.written_second is None:
        return None
    first = change.written_second * 1000
    newest = max((epoch_ms(message.timestamp) for message in messages), default=first)
    return min(max(first, newest), first + 999)


def messages_of_run_change(old: Run | None, new: Run) -> list[Message]:
    """The messages of a write of the run item: the run started, a payload started by itself, or the run ended."""
    messages = []
    if new.status == "running" and (old is None or old.status != "running"):
        messages.append(_attempt_started(new))
    if _starts_payload(old, new):
        messages.append(_payload_progress(new, new.payload_started_at or ""))
    if old is None or old.status != new.status:
        messages.extend(_run_ended(new))
    return messages


def messages_of_new_response(response: Response) -> list[Message]:
    """The rest of a streamed answer, the completed payload, and the start of the next one.

    The response and the run's progress are one transaction, whose records may be in any order in the stream. So the
    start of the next payload is a message of the response: it follows ``payload_completed``.
    """
    messages = [message_of_response(response)]
    if rest := _rest(response):
        messages.insert(0, message_of_partial_answer(rest))
    if response.following:
        messages.append(_next_payload_progress(response, response.following))
    return messages


def _rest(response: Response) -> PartialAnswer | None:
    """The part of a streamed answer that was not published before it was complete."""
    published = response.published_characters
    if published is None or published >= len(response.content):
        return None
    return PartialAnswer(
        tenant=response.tenant,
        run_id=response.run_id,
        workflow_id=response.workflow_id,
        payload_id=response.payload_id,
        payload_name=response.payload_name,
        position=response.position,
        total=response.total,
        attempt=response.attempt,
        delta=response.content[published:],
        offset=published,
        tokens_per_second=response.metadata.get("tokens_per_second"),
        published_at=response.created_at,
        expires_at=response.expires_at,
    )


def _next_payload_progress(response: Response, following: NextPayload) -> Message:
    record = replace(
        response,
        position=following.position,
        payload_id=following.payload_id,
        payload_name=following.payload_name,
    )
    return _payload_progress(record, response.created_at)


def message_of_response(response: Response) -> Message:
    """A payload is completed."""
    content, is_truncated = _truncated(response.content)
    data = {
        "runId": response.run_id,
        "workflowId": response.workflow_id,
        "payloadId": response.payload_id,
        "payloadName": response.payload_name,
        "position": response.position,
        "content": content,
        "progress": _percent(completed_before(response.position) + 1, response.total),
        "metadata": _bounded(response.metadata),
    }
    if is_truncated or response.content_truncated:
        data["contentTruncated"] = True
    return Message(
        tenant=response.tenant,
        run_id=response.run_id,
        type="payload_completed",
        id=f"{response.run_id}-payload_completed-{response.position}",
        timestamp=response.created_at,
        data=data,
    )


def message_of_partial_answer(part: PartialAnswer) -> Message:
    """The next part of an answer. Its id has the offset, since several parts may be published in one millisecond."""
    return _payload_progress(
        part,
        part.published_at,
        part.published_at,
        str(part.offset),
        delta=part.delta,
        offset=part.offset,
        metadata={"attempt": part.attempt, "tokens_per_second": part.tokens_per_second},
    )


def messages_of_history(history: RunHistory) -> Iterator[Message]:
    """All messages of a run so far, attempt after attempt; without partial answers.

    Of an attempt that an older version of Baton has stored, there are only the answers.
    """
    attempts = [*history.attempts, history.run]
    known = {attempt.attempt for attempt in attempts}
    yield from _completed_payloads(response for response in history.responses if response.attempt not in known)
    for attempt in attempts:
        own = [response for response in history.responses if response.attempt == attempt.attempt]
        yield from _messages_of_attempt(attempt, own)


def _messages_of_attempt(attempt: Run, responses: Sequence[Response]) -> Iterator[Message]:
    """``attempt`` is the run as it is in this attempt or was at its end, with the responses that it has stored."""
    if attempt.started_at:
        yield _attempt_started(attempt)
    yield from _completed_payloads(responses)
    if _payload_in_progress(attempt) and attempt.position not in {response.position for response in responses}:
        yield _payload_progress(attempt, attempt.payload_started_at or "")
    yield from _run_ended(attempt)


def _completed_payloads(responses: Iterable[Response]) -> Iterator[Message]:
    for response in responses:
        yield _payload_progress(response, response.started_at)
        yield message_of_response(response)


def _starts_payload(old: Run | None, new: Run) -> bool:
    """Whether a payload starts with this write, and not with the response before it, which has that message."""
    started = None if new.started_with_response else _payload_in_progress(new)
    return started is not None and (old is None or _payload_in_progress(old) != started)


def _payload_in_progress(run: Run) -> tuple[int, str] | None:
    """Position and start; the start alone is not unique, as two payloads may start in the same millisecond."""
    if run.payload_started_at is None or run.payload_id is None:
        return None
    return run.position, run.payload_started_at


def _attempt_started(run: Run) -> Message:
    """The current attempt has started. Older runs have only the start of the first one."""
    return _execution_progress(run, run.first_position, run.attempt_started_at or run.started_at or run.created_at)


def _payload_progress(
    record: Run | Response | PartialAnswer, timestamp: str, *id_parts: str, **more_data: Any
) -> Message:
    """Progress of the payload at the record's position: it has started, or its answer has grown."""
    return _execution_progress(
        record,
        record.position,
        timestamp,
        str(record.position),
        *id_parts,
        payloadId=record.payload_id,
        payloadName=record.payload_name,
        position=record.position,
        **more_data,
    )


def _execution_progress(
    record: Run | Response | PartialAnswer, completed: int, timestamp: str, *id_parts: str, **more_data: Any
) -> Message:
    """``more_data`` replaces the fields that have no value here, and follows them otherwise."""
    run_id = record.id if isinstance(record, Run) else record.run_id
    data = {
        "runId": run_id,
        "workflowId": record.workflow_id,
        "payloadId": None,
        "payloadName": None,
        "position": None,
        "status": "running",
        "completed": completed,
        "total": record.total,
        "progress": _percent(completed, record.total),
        "metadata": {"attempt": record.attempt},
    }
    return Message(
        tenant=record.tenant,
        run_id=run_id,
        type="execution_progress",
        id="-".join((f"{run_id}-{record.attempt}-execution_progress", *id_parts)),
        timestamp=timestamp,
        data=data | more_data,
    )


def _run_ended(run: Run) -> list[Message]:
    message_type = _FINAL_TYPES.get(run.status)
    if message_type is None:
        return []
    data: dict[str, Any] = {
        "runId": run.id,
        "workflowId": run.workflow_id,
        "status": run.status,
        "metadata": {"attempt": run.attempt},
    }
    if run.status == "completed":
        data["progress"] = 100
    if run.status == "failed":
        data["error"] = run.error
    return [
        Message(
            tenant=run.tenant,
            run_id=run.id,
            type=message_type,
            id=f"{run.id}-{run.attempt}-{message_type}",
            timestamp=run.completed_at or run.created_at,
            data=data,
        )
    ]


def _percent(completed: int, total: int) -> int:
    return 100 * completed // total if total else 0


def _bounded(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata, without its references if these would exceed ``MAX_METADATA_BYTES``."""
    bounded = dict(metadata)
    if len(_as_json(bounded)) > MAX_METADATA_BYTES:
        bounded.pop("references", None)
    return bounded


def _truncated(content: str) -> tuple[str, bool]:
    """The longest prefix of at most ``MAX_CONTENT_BYTES`` as JSON, and whether it is shorter than the content."""
    if len(content) * 6 <= MAX_CONTENT_BYTES or len(_as_json(content)) <= MAX_CONTENT_BYTES:
        return content, False
    low, high = 0, min(len(content), MAX_CONTENT_BYTES)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_as_json(content[:middle])) <= MAX_CONTENT_BYTES else (low, middle - 1)
    return content[:low], True


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
