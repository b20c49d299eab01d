"""make down: stop the local stack. The next make up starts with the same data."""

from rich.console import Console

from local import terminal
from local.stack import Stack


def down(console: Console) -> None:
    stopped = Stack().down()
    console.print("Stopped; `make up` starts with the same data." if stopped else "Nothing was running.")


if __name__ == "__main__":
    terminal.run_command(down)
