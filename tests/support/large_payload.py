"""Execute one large payload as its function does, in a new process, and print the peak memory of this process in KB.

The argument is a case as ``CASES`` names it. The tables, the bucket and the LLM are a server in another process, so that
only the memory of the function is measured. The payload is executed ``INVOCATIONS`` times, as in a warm function: memory
that Python has freed is not always memory that it can use again.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INVOCATIONS = 3

TEMPLATE_BYTES = 1_000_000
PROMPT_BYTES = ANSWER_BYTES = 10_000_000
BODY_BYTES = 10 * 1024 * 1024
"""The bounds of the project; a test compares them. An answer is a little shorter than the body that contains it."""

PIECE_BYTES = 1_000_000
"""Of each event of a streamed answer."""

SMALL_PIECE_BYTES = 200
EMOJI, CJK = "\N{SLIGHTLY SMILING FACE}", "\N{CJK UNIFIED IDEOGRAPH-5B57}"

SCHEMA = {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured. ``text`` is ``ascii``, ``emoji`` (ASCII and one emoji, for which Python stores four bytes a
    character), ``cjk`` or ``json``. ``is_followed`` is whether the run has a subscriber."""

    provider: str
    text: str = "emoji"
    is_streamed: bool = True
    is_followed: bool = False
    is_retried: bool = False
    is_path: bool = False
    prompt_bytes: int = PROMPT_BYTES
    answer_bytes: int = ANSWER_BYTES
    piece_bytes: int = PIECE_BYTES

    @property
    def response_format(self) -> Any:
        return SCHEMA if self.text == "json" else None


CASES = {
    f"{provider}, {text}, {'streamed' if is_streamed else 'whole'}": Case(
        provider=provider, text=text, is_streamed=is_streamed
    )
    for provider in ("openai", "anthropic", "bedrock")
    for text in ("ascii", "cjk", "emoji")
    for is_streamed in (False, True)
} | {
    "small": Case(provider="openai", text="ascii", prompt_bytes=5_000, answer_bytes=5_000),
    "1 MB": Case(provider="openai", prompt_bytes=1_100_000, answer_bytes=1_000_000),
    "simulated": Case(provider="simulated"),
    "openai, emoji, streamed in small events": Case(provider="openai", answer_bytes=4_600_000, piece_bytes=SMALL_PIECE_BYTES),
    "openai, path into json": Case(provider="openai", is_path=True),
    "openai, emoji, followed": Case(provider="openai", is_followed=True),
    "openai, json, streamed": Case(provider="openai", text="json", answer_bytes=8_000_000),
    "openai, json, retried": Case(provider="openai", text="json", is_retried=True, answer_bytes=8_000_000),
    "openai, json of 1 MB, retried": Case(provider="openai", text="json", is_retried=True, answer_bytes=1_000_000),
}


def text_of(kind: str, size: int) -> str:
    """A text of at most ``size`` bytes in UTF-8."""
    if kind == "ascii":
        return "a word " * (size // 7)
    if kind == "cjk":
        return CJK * (size // 3)
    if kind == "json":
        return json.dumps([{"id": number, "name": "an entry", "tags": ["a", "b"]} for number in range(size // 56)])
    return EMOJI + "a word " * ((size - 4) // 7)


class Service:
    """The records of a run whose second payload refers to the answer of the first, and the LLM that answers it."""

    def __init__(self, case: Case, port: int) -> None:
        self.case = case
        self.calls = 0
        self.texts: dict[str, bytes] = {}
        self.items = {(item["pk"]["S"], item["sk"]["S"]): item for item in self._records(port)}
        self.answer = text_of(case.text, case.answer_bytes)

    def _records(self, port: int) -> Iterator[dict[str, Any]]:
        from baton.adapters.dynamodb.codecs.payload_snapshot import snapshot_to_item
        from baton.adapters.dynamodb.codecs.run import run_to_item
        from baton.adapters.dynamodb.large_records import store_long_fields, store_long_texts
        from baton.domain.llm.endpoints import LlmEndpoint, LlmTarget
        from baton.domain.llm.settings import LlmSettings
        from baton.domain.prompts import Reference
        from baton.domain.runs.responses import Response
        from baton.domain.runs.run import Run
        from baton.domain.runs.snapshots import PayloadSnapshot

        case = self.case
        run = Run(
            tenant="default", id=1, workflow_id=1, workflow_name="w", status="running", total=3, first_response_id=1,
            created_at="t", expires_at=9, completed=1, position=0, started_at="t",
        )
        template = text_of("ascii" if case.text == "json" else case.text, min(TEMPLATE_BYTES - 20, case.prompt_bytes // 2)) + " {{before}}"
        settings = LlmSettings(stream=None if case.is_streamed else False, response_format=case.response_format)
        endpoint = LlmEndpoint(
            instance_id=1, instance_name="i", provider=case.provider, model="m", timeout_seconds=300,
            base_url=f"http://127.0.0.1:{port}/v1" if case.provider in ("openai", "anthropic") else None,
        )
        snapshot = PayloadSnapshot(
            position=1, payload_id=1, payload_name="p", template=template, after=(0,),
            references=(Reference(name="before", source="response", position=0, path=(0, "name") if case.is_path else ()),),
            targets=(LlmTarget(endpoint=endpoint, settings=settings),),
        )
        before = Response(
            tenant="default", id=1, run_id=1, workflow_id=1, payload_id=2, payload_name="before", position=0, total=3,
            attempt=1, content=text_of("json" if case.is_path else "emoji" if case.text == "json" else case.text, case.prompt_bytes - len(template.encode())),
            prompt="", started_at="t", created_at="t", expires_at=9,
        )
        yield run_to_item(run)
        yield store_long_fields(snapshot_to_item(run, snapshot), self, "snapshot")
        yield store_long_texts(before, self)

    def key(self, folder: str, text: str) -> str:
        return folder

    def put(self, folder: str, text: str) -> str:
        """As ``Texts``: store a long text of the records."""
        self.texts[folder] = text.encode()
        return folder

    def get(self, key: str) -> str:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        raise NotImplementedError

    def dynamodb(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Reads are answered from the records; writes are accepted and not stored, so each invocation is the first."""
        if operation == "BatchGetItem":
            (table, wanted), = request["RequestItems"].items()
            return {"Responses": {table: self._found(wanted["Keys"])}, "UnprocessedKeys": {}}
        if operation == "GetItem":
            return {"Item": item for item in self._found([request["Key"]])}
        if operation == "Query":
            return {"Items": [{"sk": {"S": "c"}}], "Count": 1} if self.case.is_followed else {"Items": [], "Count": 0}
        return {}

    def _found(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [(key["pk"]["S"], key["sk"]["S"]) for key in wanted]
        return [self.items[key] for key in keys if key in self.items]

    def llm(self, path: str, body: bytes) -> tuple[str, list[bytes]]:
        """The content type of the answer and its chunks."""
        self.calls += 1
        text = "[]," if self.case.is_retried and self.calls % 2 else self.answer
        if path.endswith("/converse"):
            return "application/json", [json.dumps({"output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}, ensure_ascii=False).encode()]
        if path.endswith("/converse-stream"):
            from tests.support.event_streams import event
            return "application/vnd.amazon.eventstream", [
                event("messageStart", {"role": "assistant"}),
                *(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}) for piece in self.pieces(text)),
                event("messageStop", {"stopReason": "end_turn"}),
                event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
            ]
        streamed = b'"stream": true' in body[-300:] or b'"stream": true' in body[:300] or (b'"stream": true' in body)
        if path.endswith("/messages"):
            if not streamed:
                return "application/json", [json.dumps({"type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}, ensure_ascii=False).encode()]
            events = [
                {"type": "message_start", "message": {"type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in self.pieces(text)),
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
                {"type": "message_stop"},
            ]
            return "text/event-stream", [f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode() for e in events]
        if not streamed:
            return "application/json", [json.dumps({"model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}, ensure_ascii=False).encode()]
        deltas = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in self.pieces(text)]
        return "text/event-stream", [
            *(f"data: {json.dumps(e, ensure_ascii=False)}\n\n".encode() for e in [*deltas, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]),
            b"data: [DONE]\n\n",
        ]

    def pieces(self, text: str) -> list[str]:
        size = self.case.piece_bytes
        return [text[at : at + size] for at in range(0, len(text), size)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def do_GET(self) -> None:
        self.reply(self.server.service.texts[self.path.split("?")[0].removeprefix("/texts/")])

    def do_PUT(self) -> None:
        self.read()
        self.reply(b"", "application/xml")

    def do_POST(self) -> None:
        service, body = self.server.service, self.read()
        target = self.headers.get("X-Amz-Target")
        if target:
            answer = service.dynamodb(target.partition(".")[2], json.loads(body))
            self.reply(json.dumps(answer).encode(), "application/x-amz-json-1.0")
        else:
            kind, chunks = service.llm(self.path, body)
            self.reply(b"".join(chunks), kind)

    def read(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            pass
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: standard output is for the port."""


def serve(name: str) -> None:
    """The tables, the bucket and the LLM of a case; prints its port."""
    sys.path[:0] = [str(ROOT / "layers" / "baton"), str(ROOT)]
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.service = Service(CASES[name], server.server_port)
    print(server.server_port, flush=True)  # noqa: T201 - for the parent
    server.serve_forever()


def main(name: str) -> None:
    with subprocess.Popen([sys.executable, __file__, "serve", name], stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            measure(name, f"http://127.0.0.1:{service.stdout.readline().strip()}")
        finally:
            service.terminate()


def measure(name: str, url: str) -> None:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "local",
        "AWS_ENDPOINT_URL": url, "RUNS_TABLE": "runs", "TEXTS_BUCKET": "texts", "CONNECTIONS_TABLE": "connections",
        "SECRETS_PREFIX": "/s", "ALLOW_PRIVATE_LLM_HOSTS": "true", "ALLOW_LOOPBACK_LLM_HOSTS": "true",
        "ALLOWED_LLM_HOSTS": "*",
    }
    sys.path[:0] = [str(ROOT / "functions" / "execute_payload"), str(ROOT / "layers" / "baton")]
    import app  # type: ignore[import-not-found]

    imported = peak()
    event = {"tenant": "default", "run_id": 1, "attempt": 1, "position": 1, "tries": 0}
    peaks = []
    for _ in range(INVOCATIONS):
        outcome = app.handler(event, None)
        peaks.append(peak())
    print(json.dumps({"case": name, "outcome": outcome["outcome"], "error": outcome["error"], "kilobytes": peak(), "imports": imported, "peaks": peaks}))


def peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])  # type: ignore[index] # each has this line
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # macOS returns bytes


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else main(sys.argv[1])
