"""The changes that the import of a workflow file made, or would make."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal

from pydantic import Field

from baton.api.bodies.fields import View
from baton.api.budget import MAX_BODY_BYTES, body_size, remaining_budget, values_within
from baton.domain.files.workflow_imports import FileChange
from baton.domain.kinds import Kind
from baton.usecases.files.import_workflow_file import Imported

MAX_SHOWN_CHARACTERS = 300

MAX_CHANGES_BYTES = MAX_BODY_BYTES - 10_000
"""The maximum size of all changes together, without their differences."""


class Difference(View):
    """One field before and after; long texts are shortened, and `null` means that the field is absent."""

    old: Any = Field(description="The stored value.")
    new: Any = Field(description="The value in the file.")


class ChangeView(View):
    """The change to one definition."""

    kind: Kind
    name: str
    action: Literal["create", "replace", "keep"]
    differences: dict[str, Difference]
    differences_truncated: bool = Field(
        default=False, description="Whether they are omitted because they don't fit into the response."
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
    """All changes, in the order in which they are saved. `changed` is false if every definition was stored already.

    Differences that don't fit into one response are omitted and marked; so are the last ones of very many changes.
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
        listed = _fitting(bare)
        view = cls(
            workflow_id=imported.workflow_id,
            dry_run=dry_run,
            changed=any(change.action != "keep" for change in imported.changes),
            changes=listed,
            changes_truncated=len(listed) < len(changes),
        )
        differing = [change.model_dump()["differences"] for change in changes[: len(listed)]]
        fitting = values_within(differing, remaining_budget(view))
        view.changes = [
            change if fits else bare_change for change, bare_change, fits in zip(changes, bare, fitting, strict=False)
        ]
        return view


def _fitting(changes: Sequence[ChangeView]) -> list[ChangeView]:
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
