"""make up: start the local stack, or redeploy to a running one."""

from rich.console import Console

from local import choice, terminal
from local.stack import Stack


def up(console: Console) -> None:
    bring_up(console, terminal.port_argument(), with_model=choice.chosen_llm(console) is None)


def bring_up(console: Console, port: int, *, with_model: bool) -> Stack:
    """Start the stack; print each step, and at the end the addresses of the stack."""
    with console.status("") as status:

        def report(step: str) -> None:
            console.print(f"[dim]{step}[/dim]")
            status.update(step)

        stack = Stack(port, report=report, with_model=with_model)
        addresses = stack.up()
    console.print(f"[green]Baton is up.[/green] HTTP: {addresses.http_url}", soft_wrap=True)
    console.print(f"WebSocket: {addresses.websocket_url}", soft_wrap=True)
    return stack


if __name__ == "__main__":
    terminal.run_command(up)
