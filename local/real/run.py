"""make run-real: start the local stack and watch the example workflow run on a real model, served on this machine."""

from rich.console import Console

from local import terminal
from local.real.server import ModelServer
from local.run import watch_example
from local.stack import Addresses
from local.up import bring_up


def run(console: Console) -> None:
    addresses = bring_up(console, terminal.port_argument())
    console.print("[dim]Starting the model server[/dim]")
    with ModelServer() as server:
        console.print(f"{server.llm.model} answers at {server.llm.base_url}", soft_wrap=True)
        finished = watch_example(console, addresses, server.llm)
    console.print(afterwards(addresses, finished["id"]), soft_wrap=True)


def afterwards(addresses: Addresses, run_id: int) -> str:
    return f"""\
The model server has ended; the stack stays up, and `make down` stops it.
  curl {addresses.http_url}/api/execute/run/{run_id}
`make serve-real` serves the model until you stop it, for runs by hand."""


if __name__ == "__main__":
    terminal.end(run)
