"""make down: stop the local stack. The next make up starts with the same data."""

import argparse

from rich.console import Console

from local import terminal
from local.stack import Stack


def down(console: Console) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--discard", action="store_true", help="do not save what was stored since the last save")
    discard: bool = parser.parse_args().discard
    if not Stack().down(discard=discard):
        console.print("Nothing was running.")
    elif discard:
        console.print("Stopped without saving; `make up` starts with the data of the last save.")
    else:
        console.print("Stopped; `make up` starts with the same data.")


if __name__ == "__main__":
    terminal.run_command(down)
