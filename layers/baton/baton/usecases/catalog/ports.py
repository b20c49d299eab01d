"""Storage of definitions. Each Protocol has one adapter and one fake, which run the same tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from baton.domain.catalog.definitions import Definition, Ledger, Replacement, WorkflowBundle
from baton.domain.catalog.searches import Search
from baton.domain.kinds import Kind, Referrer
from baton.domain.pages import Page


class CatalogStore(Protocol):
    """The definitions of all tenants."""

    def reserve_id(self, tenant: str, kind: Kind) -> int:
        """The next id of this kind; an id that is not used is never returned again."""

    def read_ledger(self, tenant: str) -> Ledger:
        """The counters that a later write compares; read them before checking references or searching for referrers."""

    def create(self, tenant: str, definition: Definition, ledger: Ledger) -> None:
        """Store a new definition.

        :raises NameTaken: if another definition of the kind has the name.
        :raises LedgerConflict: if it refers to others, and something was deleted since the ledger was read.
        """

    def replace(self, tenant: str, current: Definition, new: Definition, ledger: Ledger) -> None:
        """Store the next version of a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises NameTaken: if another definition of the kind has the new name.
        :raises LedgerConflict: if it refers to others, and something was deleted since the ledger was read.
        """

    def transactions(self, replacements: Sequence[Replacement]) -> Sequence[Sequence[Replacement]]:
        """The replacements in their order, split into as few transactions as possible."""

    def save(self, tenant: str, replacements: Sequence[Replacement], ledger: Ledger) -> None:
        """Store all of these or none.

        :raises VersionChanged: if one has been changed or deleted since it was read.
        :raises NameTaken: if another definition of the kind has the name of a new one.
        :raises LedgerConflict: if one refers to others, and something was deleted since the ledger was read.
        """

    def delete(self, tenant: str, current: Definition, ledger: Ledger) -> None:
        """Remove a definition that was read.

        :raises VersionChanged: if it has been changed or deleted since.
        :raises LedgerConflict: if a reference to anything was added since the ledger was read.
        """

    def referrers(self, tenant: str, definition: Definition) -> Sequence[Referrer]:
        """The definitions that refer to this one."""

    def read[D: Definition](self, tenant: str, kind: type[D], definition_id: int) -> D:
        """:raises NotFound:"""

    def find[D: Definition](self, tenant: str, kind: type[D], names: Sequence[str]) -> Sequence[D]:
        """The definitions with these names; names that no definition has are omitted."""

    def read_many[D: Definition](self, tenant: str, kind: type[D], ids: Sequence[int]) -> Mapping[int, D]:
        """The definitions with these ids, by id; ids of missing definitions are omitted."""

    def names(self, tenant: str, kind: Kind, ids: Sequence[int]) -> Mapping[int, str]:
        """The names of the definitions with these ids, by id; ids of missing definitions are omitted."""

    def page[D: Definition](self, tenant: str, kind: type[D], limit: int, after: int | None, search: Search) -> Page[D]:
        """In the order of their ids; a page may be shorter than ``limit`` and not be the last."""


class DefinitionSource(Protocol):
    """Reads the definitions that the snapshot of a run is compiled from."""

    def read_workflow(self, tenant: str, workflow_id: int) -> WorkflowBundle:
        """The workflow with all existing definitions that it refers to.

        :raises NotFound: if there is no such workflow.
        """
