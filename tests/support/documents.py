"""The documents of the repository: links, code blocks and the commands in them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tests.support.template import ROOT

HTTP_URL = "http://localhost:4566/_aws/execute-api/baton-http"
WEBSOCKET_URL = "ws://localhost:4566/_aws/execute-api/baton-websocket/live"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """A Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The text without code blocks."""
        return FENCE.sub("", self.text)

    def blocks(self, *languages: str) -> list[str]:
        """The code blocks in one of the languages."""
        return [body for language, body in FENCE.findall(self.text) if language in languages]

    def code_spans(self) -> list[str]:
        return CODE_SPAN.findall(self.prose)

    def links(self) -> list[str]:
        return LINK.findall(CODE_SPAN.sub("code", self.prose))

    def anchors(self) -> set[str]:
        """The anchors that GitHub gives to the headings."""
        return {anchor(heading) for heading in HEADING.findall(self.prose)}

    def commands(self) -> list[list[str]]:
        """The commands of all shell blocks, as words."""
        return [command for block in self.blocks("sh", "bash", "shell") for command in commands(block)]


def anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@cache
def documents() -> tuple[Document, ...]:
    """Every Markdown file of the repository; folders that tools create are skipped."""
    folders = (path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [*ROOT.glob("*.md"), *(file for folder in folders for file in folder.rglob("*.md"))]
    return tuple(Document(path) for path in sorted(files))


def commands(block: str) -> Iterator[list[str]]:
    """The commands of a shell block: continued lines are joined, comments are removed, and ``a && b`` are two."""
    pending = ""
    for line in block.splitlines():
        pending += line.removesuffix("\\") if line.endswith("\\") else f"{line}\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quoted text continues in the next line
            continue
        if line.endswith("\\"):
            continue
        pending = ""
        yield from _parts(words)
    if pending.strip():
        raise ValueError(f"A command has no end: {pending!r}")


def _parts(words: list[str]) -> Iterator[list[str]]:
    while "&&" in words:
        end = words.index("&&")
        yield words[:end]
        words = words[end + 1 :]
    if words:
        yield words


@dataclass(frozen=True, kw_only=True)
class CurlRequest:
    """The HTTP request that a curl command sends."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None

    @property
    def path(self) -> str:
        """The path below the address of the local stack."""
        return urlsplit(self.url.removeprefix(HTTP_URL)).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))


def curl_request(words: list[str]) -> CurlRequest:
    """The request of a curl command. Raises ``ValueError`` for an option that the documents don't use."""
    method, url, body, headers = "", "", None, {}
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name.lower()] = value
            case "-d":
                body = next(rest)
            case "--data-binary":
                body = (ROOT / next(rest).removeprefix("@")).read_text()
            case _ if word.startswith("-"):
                raise ValueError(f"curl's option {word} is not known here.")
            case _:
                url = word
    return CurlRequest(method=method or ("GET" if body is None else "POST"), url=url, headers=headers, body=body)


@dataclass(frozen=True)
class Operation:
    """A call of the HTTP API, and the status of its success."""

    method: str
    path: str
    status: int


@cache
def operations() -> tuple[Operation, ...]:
    """The calls of the OpenAPI document, and the two that serve the document itself."""
    text = (ROOT / "layers/baton/baton/api/openapi/openapi.json").read_text()
    described = [
        Operation(method.upper(), path, min(int(status) for status in call["responses"]))
        for path, calls in json.loads(text)["paths"].items()
        for method, call in calls.items()
    ]
    return (*described, Operation("GET", "/docs", 200), Operation("GET", "/openapi.json", 200))


def operation_of(method: str, path: str) -> Operation | None:
    """The call of a request; a parameter of its path may be a value, ``{id}`` or ``:id``."""
    for operation in operations():
        pattern = re.sub(r"\\\{\w+\\\}", r"(\\d+|\\{\\w+\\}|:\\w+)", re.escape(operation.path))
        if operation.method == method and re.fullmatch(pattern, path):
            return operation
    return None
