"""make run: start the local stack and watch the example workflow run on it."""

import json
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from local import choice, terminal
from local.example import VARIABLES, Api, LlmChoice, import_example
from local.follow import messages
from local.problem import Problem
from local.stack import Addresses
from local.up import bring_up


def run(console: Console) -> None:
    llm = choice.chosen_llm(console)
    stack = bring_up(console, terminal.port_argument(), with_model=llm is None)
    addresses = stack.addresses
    try:
        finished = watch_example(console, addresses, llm or choice.llm_of_server(stack.model))
    except Problem as problem:
        if llm is None and not stack.model.is_running():
            raise Problem(f"{problem}\n{stack.model.ended_message()}") from problem
        raise
    stack.emulator.save()
    console.print(commands_to_try(addresses, finished["workflow_id"], finished["id"]), soft_wrap=True)


def watch_example(console: Console, addresses: Addresses, llm: LlmChoice) -> dict[str, Any]:
    """Run the example and print its messages; returns the completed run.

    :raises Problem: if the run does not complete.
    """
    api = Api(addresses.http_url)
    workflow_id = import_example(api, llm)
    console.print("Imported the example workflow from local/example.yaml.")
    started = api.call("POST", f"/api/execute/workflow/{workflow_id}", {"variables": VARIABLES})
    console.print(f"Started run {started['runId']}. Following it at {addresses.websocket_url}", soft_wrap=True)
    show_progress(console, addresses, started["runId"])
    finished: dict[str, Any] = api.call("GET", f"/api/execute/run/{started['runId']}")
    console.print(summary(finished))
    if finished["status"] != "completed":
        raise Problem(f"The run {finished['status']}: {finished['metadata'].get('error', 'no reason was given')}")
    return finished


def show_progress(console: Console, addresses: Addresses, run_id: int) -> None:
    """Show the progress and above it each answer, the last one as it is streamed."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    progress = Progress(*columns, TimeElapsedColumn(), console=console)
    task = progress.add_task("waiting for the first message", total=100)
    partial_answer = ""
    with Live(progress, console=console) as live:
        for message in messages(addresses.websocket_url, run_id):
            data = message["data"]
            progress.update(task, completed=data.get("progress"), description=describe(message))
            if "delta" in data:
                partial_answer = partial_answer[: data["offset"]] + data["delta"]
                live.update(Group(answer_panel(data, partial_answer), progress))
            elif message["type"] == "payload_completed":
                live.update(progress)
                console.print(answer_panel(data, data["content"]))
    if not console.is_interactive:
        console.print()  # the last line has no line break there


def answer_panel(data: dict[str, Any], text: str) -> Panel:
    title = f"{data['position'] + 1}. {escape(data['payloadName'])}"
    return Panel(escape(text), title=title, title_align="left")


def describe(message: dict[str, Any]) -> str:
    data = message["data"]
    match message["type"]:
        case "execution_progress" if data["payloadName"]:
            speed = data["metadata"].get("tokens_per_second")
            suffix = f", {speed:.0f} tokens/s" if speed else ""
            return f"payload {data['position'] + 1} of {data['total']}: {escape(data['payloadName'])}{suffix}"
        case "execution_progress":
            return "running"
        case "payload_completed":
            return f"{escape(data['payloadName'])} has answered"
        case _:
            return str(data["status"])


def summary(run: dict[str, Any]) -> Table:
    table = Table(title=f"Run {run['id']} of {escape(run['metadata']['workflow_name'])!r}: {run['status']}")
    table.add_column("payload")
    table.add_column("model", overflow="fold")
    for name in ("prompt tokens", "answer tokens", "seconds", "tokens/s"):
        table.add_column(name, justify="right")
    for response in run["responses"]:
        metadata = response["metadata"]
        table.add_row(
            escape(response["payload_name"]),
            escape(metadata["model"]),
            *(str(metadata[name] or "-") for name in ("prompt_tokens", "completion_tokens")),
            f"{metadata['duration_ms'] / 1000:.2f}",
            str(metadata["tokens_per_second"] or "-"),
        )
    return table


def commands_to_try(addresses: Addresses, workflow_id: int, run_id: int) -> str:
    """Commands for the user to try next, as markup."""
    variables = json.dumps({"variables": {"topic": "tides", "audience": "a sailor"}})
    return f"""\
[bold]Try it by hand[/bold]
  curl -X POST {addresses.http_url}/api/execute/workflow/{workflow_id} \\
    -H 'Content-Type: application/json' -d '{variables}'
  curl {addresses.http_url}/api/execute/run/{run_id}
  .venv/bin/websockets {addresses.websocket_url}
`make down` stops the stack; what is stored stays."""


if __name__ == "__main__":
    terminal.run_command(run)
