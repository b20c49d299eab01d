"""What an import of a workflow file did, or would do."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from baton.domain.catalog import Kind
from baton.domain.workflow_imports import FileChange
from baton.runtime.http.fields import Answer
from baton.usecases.move_workflows import Imported

MAX_SHOWN_CHARACTERS = 300


class Difference(Answer):
    """One field before and after; long texts are shortened, and `null` stands for what is left out."""

    old: Any = Field(description="As it was.")
    new: Any = Field(description="As the file has it.")


class ChangeAnswer(Answer):
    """What the file means for one definition."""

    kind: Kind
    name: str
    action: Literal["create", "replace", "keep"]
    differences: dict[str, Difference]

    @classmethod
    def of(cls, change: FileChange) -> ChangeAnswer:
        """The change as clients read it."""
        differences = {
            field: Difference(old=_shortened(old), new=_shortened(new))
            for field, (old, new) in change.differences.items()
        }
        return cls(kind=change.kind, name=change.name, action=change.action, differences=differences)


class ImportAnswer(Answer):
    """All changes, in the order in which they are saved. `changed` is false if the catalog said all of it already."""

    workflow_id: int | None
    dry_run: bool
    changed: bool
    changes: list[ChangeAnswer]

    @classmethod
    def of(cls, imported: Imported, *, dry_run: bool) -> ImportAnswer:
        """The import as clients read it."""
        return cls(
            workflow_id=imported.workflow_id,
            dry_run=dry_run,
            changed=any(change.action != "keep" for change in imported.changes),
            changes=[ChangeAnswer.of(change) for change in imported.changes],
        )


def _shortened(value: Any) -> Any:
    match value:
        case str() if len(value) > MAX_SHOWN_CHARACTERS:
            return f"{value[:MAX_SHOWN_CHARACTERS]}…"
        case list():
            return [_shortened(entry) for entry in value]
        case dict():
            return {key: _shortened(entry) for key, entry in value.items()}
        case _:
            return value
