"""Record the output of ``make run`` as the picture in README.md: ``.venv/bin/python -m local.record --port 4566``."""

from pathlib import Path

from rich.console import Console

from local import run, terminal

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "make-run.svg"
COLUMNS = 100


def record(console: Console) -> None:
    """Run the example as ``make run`` does, and save its output."""
    recording = Console(record=True, width=COLUMNS, highlight=False)
    run.run(recording)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    recording.save_svg(str(PICTURE), title="make run", unique_id="make-run")
    console.print(f"Saved the picture to {PICTURE}.", soft_wrap=True)


if __name__ == "__main__":
    terminal.run_command(record)
