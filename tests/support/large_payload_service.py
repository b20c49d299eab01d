"""The tables, the bucket and the LLM that one large payload needs, as a process of their own.

The argument is a case of ``large_payload_cases.py``. It prints its port. Writes are accepted and not stored, so that
the payload can be executed any number of times.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from baton.adapters.dynamodb.codecs.payload_snapshot import snapshot_to_item
from baton.adapters.dynamodb.codecs.run import run_to_item
from baton.adapters.dynamodb.large_records import store_long_fields, store_long_texts
from baton.domain.llm.endpoints import LlmEndpoint, LlmTarget
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from baton.domain.runs.responses import Response
from baton.domain.runs.run import Run
from baton.domain.runs.snapshots import PayloadSnapshot
from local.network import LOOPBACK
from tests.support.event_streams import event
from tests.support.large_payload_cases import CASES, TEMPLATE_BYTES, Case, response_format, text_of

TENANT = "default"
REFERENCE = " {{before}}"
ROOM_FOR_REFERENCE = 20

USAGE = {"openai": {"prompt_tokens": 1, "completion_tokens": 1}, "anthropic": {"input_tokens": 1, "output_tokens": 1}}
BEDROCK_USAGE = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}


class StoredTexts:
    """The bucket."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def key(self, folder: str, _text: str) -> str:
        return folder

    def put(self, folder: str, text: str) -> str:
        self.bodies[folder] = text.encode()
        return folder

    def get(self, key: str) -> str:
        return self.bodies[key].decode()

    def delete(self, key: str) -> None:
        del self.bodies[key]


class Tables:
    """The records of a running run: its second payload refers to the answer of the first."""

    def __init__(self, case: Case, base_url: str, texts: StoredTexts) -> None:
        self._followed = case.followed
        items = records(case, base_url, texts)
        self._items = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "BatchGetItem":
                ((table, wanted),) = request["RequestItems"].items()
                return {"Responses": {table: self._found(wanted["Keys"])}, "UnprocessedKeys": {}}
            case "GetItem":
                found = self._found([request["Key"]])
                return {"Item": found[0]} if found else {}
            case "Query":
                subscribers = [{"sk": {"S": "connection"}}] if self._followed else []
                return {"Items": subscribers, "Count": len(subscribers)}
            case _:
                return {}

    def _found(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [(key["pk"]["S"], key["sk"]["S"]) for key in wanted]
        return [self._items[key] for key in keys if key in self._items]


def records(case: Case, base_url: str, texts: StoredTexts) -> Iterator[dict[str, Any]]:
    run = Run(
        tenant=TENANT,
        id=1,
        workflow_id=1,
        workflow_name="w",
        status="running",
        total=3,
        first_response_id=1,
        created_at="t",
        expires_at=9,
        started_at="t",
        completed=1,
    )
    own_bytes = min(TEMPLATE_BYTES - ROOM_FOR_REFERENCE, case.prompt_bytes // 2)
    template = text_of("ascii" if case.prompt == "json" else case.prompt, own_bytes) + REFERENCE
    endpoint = LlmEndpoint(
        instance_id=1,
        instance_name="i",
        provider=case.provider,
        model="m",
        timeout_seconds=300,
        base_url=base_url if case.provider in USAGE else None,
    )
    settings = LlmSettings(stream=None if case.streamed else False, response_format=response_format(case))
    path = (0, "name") if case.prompt == "json" else ()
    snapshot = PayloadSnapshot(
        position=1,
        payload_id=1,
        payload_name="p",
        template=template,
        references=(Reference(name="before", source="response", position=0, path=path),),
        targets=(LlmTarget(endpoint=endpoint, settings=settings),),
        after=(0,),
    )
    before = Response(
        tenant=TENANT,
        id=1,
        run_id=1,
        workflow_id=1,
        payload_id=2,
        payload_name="before",
        position=0,
        total=3,
        attempt=1,
        content=text_of(case.prompt, case.prompt_bytes - len(template.encode())),
        started_at="t",
        created_at="t",
        expires_at=9,
    )
    yield run_to_item(run)
    yield store_long_fields(snapshot_to_item(run, snapshot), texts, "snapshot")
    yield store_long_texts(before, texts)


class Model:
    """The LLM. Its answers have the form of the API that is called."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._calls = 0
        self._answer = text_of(case.answer, case.answer_bytes)

    def answer(self, path: str, *, streamed: bool) -> tuple[str, bytes]:
        """The content type and the body."""
        self._calls += 1
        text = "no JSON" if self._case.retried and self._calls % 2 else self._answer
        form = path.rpartition("/")[2]
        if form == "converse-stream":
            return "application/vnd.amazon.eventstream", b"".join(self._frames(text))
        if streamed:
            events = self._messages_events(text) if form == "messages" else self._completion_chunks(text)
            return "text/event-stream", b"".join(as_event(each) for each in events)
        whole = {"converse": converse_reply, "messages": message, "completions": completion}[form](text)
        return "application/json", as_json(whole)

    def _pieces(self, text: str) -> Iterator[str]:
        size = self._case.piece_bytes
        return (text[at : at + size] for at in range(0, len(text), size))

    def _frames(self, text: str) -> Iterator[bytes]:
        yield event("messageStart", {"role": "assistant"})
        for piece in self._pieces(text):
            yield event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})
        yield event("messageStop", {"stopReason": "end_turn"})
        yield event("metadata", {"usage": BEDROCK_USAGE})

    def _messages_events(self, text: str) -> Iterator[dict[str, Any]]:
        yield {"type": "message_start", "message": message("") | {"content": []}}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for piece in self._pieces(text):
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
        yield {"type": "message_stop"}

    def _completion_chunks(self, text: str) -> Iterator[dict[str, Any]]:
        for piece in self._pieces(text):
            yield {"choices": [{"index": 0, "delta": {"content": piece}}]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE["openai"]}


def completion(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"model": "m", "choices": [choice], "usage": USAGE["openai"]}


def message(text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    named = {"type": "message", "role": "assistant", "model": "m"}
    return named | {"content": content, "stop_reason": "end_turn", "usage": USAGE["anthropic"]}


def converse_reply(text: str) -> dict[str, Any]:
    output = {"message": {"role": "assistant", "content": [{"text": text}]}}
    return {"output": output, "stopReason": "end_turn", "usage": BEDROCK_USAGE}


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def as_event(value: dict[str, Any]) -> bytes:
    name = b"event: " + value["type"].encode() + b"\n" if "type" in value else b""
    return name + b"data: " + as_json(value) + b"\n\n"


class Handler(BaseHTTPRequestHandler):
    """One request: DynamoDB's have a target, S3's are not POST."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_GET(self) -> None:
        self._reply("text/plain", self.server.texts.bodies[self.path.partition("?")[0].split("/", maxsplit=2)[2]])

    def do_PUT(self) -> None:
        self._body()
        self._reply("application/xml", b"")

    def do_POST(self) -> None:
        body = json.loads(self._body())
        if target := self.headers.get("X-Amz-Target"):
            answer = self.server.tables.answer(target.partition(".")[2], body)
            self._reply("application/x-amz-json-1.0", as_json(answer))
        else:
            self._reply(*self.server.model.answer(self.path, streamed=body.get("stream", False)))

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        return b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        """Of a body with a checksum after it, as boto3 sends texts to S3."""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _reply(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing."""


class Service(ThreadingHTTPServer):
    def __init__(self, case: Case) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.texts = StoredTexts()
        self.tables = Tables(case, f"http://{LOOPBACK}:{self.server_port}/v1", self.texts)
        self.model = Model(case)


if __name__ == "__main__":
    service = Service(CASES[sys.argv[1]])
    print(service.server_port, flush=True)  # noqa: T201 - for the process that started this one
    service.serve_forever()
