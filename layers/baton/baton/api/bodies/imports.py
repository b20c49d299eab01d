"""What an import of a workflow file did, or would do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal

from pydantic import Field

from baton.api.bodies.fields import View
from baton.api.budget import MAX_ANSWER_BYTES, body_size, room_beside, whole_values
from baton.domain.files.workflow_imports import FileChange
from baton.domain.kinds import Kind
from baton.usecases.files.import_workflow_file import Imported

MAX_SHOWN_CHARACTERS = 300

MAX_CHANGES_BYTES = MAX_ANSWER_BYTES - 10_000
"""Of all changes together, without their differences."""


class Difference(View):
    """One field before and after; long texts are shortened, and `null` stands for what is left out."""

    old: Any = Field(description="As it was.")
    new: Any = Field(description="As the file has it.")


class ChangeView(View):
    """What the file means for one definition."""

    kind: Kind
    name: str
    action: Literal["create", "replace", "keep"]
    differences: dict[str, Difference]
    differences_truncated: bool = Field(
        default=False, description="Whether they are left out, since they don't fit into the answer."
    )

    @classmethod
    def of(cls, change: FileChange) -> ChangeView:
        """The change as clients read it."""
        differences = {
            field: Difference(old=_shortened(old), new=_shortened(new))
            for field, (old, new) in change.differences.items()
        }
        return cls(kind=change.kind, name=change.name, action=change.action, differences=differences)


class ImportView(View):
    """All changes, in the order in which they are saved. `changed` is false if the catalog said all of it already.

    Differences that don't fit into one answer are left out and marked; so are the last changes of very many.
    """

    workflow_id: int | None
    dry_run: bool
    changed: bool
    changes: list[ChangeView]
    changes_truncated: bool = False

    @classmethod
    def of(cls, imported: Imported, *, dry_run: bool) -> ImportView:
        """The import as clients read it."""
        changes = [ChangeView.of(change) for change in imported.changes]
        bare = [change.model_copy(update={"differences": {}, "differences_truncated": True}) for change in changes]
        listed = _as_far_as_they_fit(bare)
        answer = cls(
            workflow_id=imported.workflow_id,
            dry_run=dry_run,
            changed=any(change.action != "keep" for change in imported.changes),
            changes=listed,
            changes_truncated=len(listed) < len(changes),
        )
        differing = [change.model_dump()["differences"] for change in changes[: len(listed)]]
        fitting = whole_values(differing, room_beside(answer))
        answer.changes = [
            change if fits else without for change, without, fits in zip(changes, bare, fitting, strict=False)
        ]
        return answer


def _as_far_as_they_fit(changes: Sequence[ChangeView]) -> list[ChangeView]:
    sizes = accumulate(body_size(change.model_dump_json()) for change in changes)
    return [change for change, size in zip(changes, sizes, strict=True) if size <= MAX_CHANGES_BYTES]


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
