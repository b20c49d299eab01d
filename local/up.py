"""make up: start the local stack, or bring a running one up to date with the code."""

from rich.console import Console

from local import terminal
from local.stack import Addresses, Stack


def up(console: Console) -> None:
    bring_up(console, terminal.port_argument())


def bring_up(console: Console, port: int) -> Addresses:
    """Tell each step as it begins, and at the end where the stack can be reached."""
    with console.status("") as status:

        def report(step: str) -> None:
            console.print(f"[dim]{step}[/dim]")
            status.update(step)

        addresses = Stack(port, report=report).up()
    console.print(f"[green]Baton is up.[/green] HTTP: {addresses.http_url}", soft_wrap=True)
    console.print(f"WebSocket: {addresses.websocket_url}", soft_wrap=True)
    return addresses


if __name__ == "__main__":
    terminal.end(up)
