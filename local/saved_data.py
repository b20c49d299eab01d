"""The saved data of a local stack: a folder that is replaced as a whole.

After a crash at any moment, it is the data of one save: that of all services, with the objects of S3.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

SAVE_PATH = "/_local/save"
"""A POST of it makes the emulator save its data."""

BLOBS = "lambda-blobs"
OBJECTS = "s3"


@dataclass(frozen=True)
class Save:
    """When the data was saved, and whether the emulator ended with it."""

    at: datetime
    is_last: bool


class SavedData:
    """``folder`` has the last complete save, and ``objects`` the objects of the running emulator."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "state"
        self.objects = home / OBJECTS
        self.next = home / "state.new"
        self._previous = home / "state.old"

    def exists(self) -> bool:
        return (self.folder / "lambda.json").exists()

    def last(self) -> Save | None:
        """The last save; ``None`` if there is none, or if it is by a version that saved at the end only."""
        try:
            saved = json.loads((self.folder / "saved.json").read_text())
        except FileNotFoundError:
            return None
        return Save(datetime.fromisoformat(saved["at"]), saved["is_last"])

    def prepare(self) -> None:
        """Repair what a crash has left, and set the objects back to those of the last save, which is no longer last."""
        if not self.folder.exists() and (self.next / "saved.json").exists():
            self.next.rename(self.folder)
        self._remove_others()
        if last := self.last():
            shutil.rmtree(self.objects, ignore_errors=True)
            link_files(self.folder / OBJECTS, self.objects)
            mark(self.folder, replace(last, is_last=False))
        elif not self.exists():
            shutil.rmtree(self.objects, ignore_errors=True)

    def begin(self) -> None:
        """Create the folder of the next save. Objects that are deleted from now on are still in it."""
        shutil.rmtree(self.next, ignore_errors=True)
        self.next.mkdir(parents=True)
        link_files(self.folder / BLOBS, self.next / BLOBS)
        for key in self.folder.glob("*.pem"):  # the emulator makes it only if it is missing
            link_or_copy(key, self.next / key.name)
        link_files(self.objects, self.next / OBJECTS)

    def complete(self, save: Save) -> None:
        """Replace the last save with the next. Until its files are on the disk, nothing refers to them."""
        link_files(self.objects, self.next / OBJECTS)  # those that were created since ``begin``
        for path in (*self.next.rglob("*"), self.next):
            if not is_same(path, self.folder / path.relative_to(self.next)):
                flush(path)
        mark(self.next, save)
        shutil.rmtree(self._previous, ignore_errors=True)
        with suppress(FileNotFoundError):  # the first save
            self.folder.rename(self._previous)
        self.next.rename(self.folder)
        flush(self.folder.parent)
        self._remove_others()

    def abandon(self) -> None:
        """Remove the incomplete save, whose space another program may need."""
        if self.folder.exists():
            self._remove_others()

    def _remove_others(self) -> None:
        for folder in (self.next, self._previous):
            shutil.rmtree(folder, ignore_errors=True)


def mark(folder: Path, save: Save) -> None:
    """Write the file that makes the folder a complete save."""
    new = folder / "saved.new"
    new.write_text(json.dumps({"at": save.at.isoformat(), "is_last": save.is_last}))
    flush(new)
    new.replace(folder / "saved.json")
    flush(folder)


def now() -> datetime:
    return datetime.now(UTC)


def link_files(source: Path, target: Path) -> None:
    """Give the files a second name below ``target``, or copy them where the file system has no hard links.

    The emulator replaces its files and never changes one, so both names retain what was in it. It may delete some in
    the meantime. Files that exist are not replaced: the name of an object contains a hash of its content.
    """
    for file in files_below(source):
        name = target / file.relative_to(source)
        if name.exists():
            continue
        name.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            link_or_copy(file, name)


def files_below(folder: Path) -> Iterator[Path]:
    """All files, except those that are being written."""
    return (path for path in folder.rglob("*") if path.suffix != ".tmp" and path.is_file())


def link_or_copy(file: Path, name: Path) -> None:
    try:
        name.hardlink_to(file)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(file, name)


def is_same(path: Path, other: Path) -> bool:
    """Whether both are names of one file, which an earlier save has written to the disk."""
    return other.exists() and path.samefile(other)


def flush(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
