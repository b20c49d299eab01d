"""Workflows as clients write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field
from pydantic import Tag as Branch

from baton.api.bodies.fields import STORED, Id, Name, Request, Stored, View, own_fields
from baton.domain.catalog.definitions import (
    MAX_PAYLOADS_PER_WORKFLOW,
    Workflow,
    WorkflowDraft,
)


class PayloadInWorkflow(Request):
    """A payload by its id, in the form in which a workflow is read."""

    read_only: ClassVar[frozenset[str]] = frozenset({"name", "order_index"})
    id: Id


def _payload_branch(value: Any) -> str:
    return "<payload>" if isinstance(value, Mapping | PayloadInWorkflow) else "<id>"


PayloadOfWorkflow = Annotated[
    Annotated[Id, Branch("<id>")] | Annotated[PayloadInWorkflow, Branch("<payload>")], Discriminator(_payload_branch)
]


class WorkflowRequest(Request):
    """A workflow to create: its payloads' ids in the order in which they run."""

    read_only: ClassVar[frozenset[str]] = STORED
    name: Name
    payloads: Annotated[list[PayloadOfWorkflow], Field(max_length=MAX_PAYLOADS_PER_WORKFLOW)] | None = Field(
        default_factory=list
    )

    def draft(self) -> WorkflowDraft:
        """The request as a draft."""
        ids = (each.id if isinstance(each, PayloadInWorkflow) else each for each in self.payloads or ())
        return WorkflowDraft(name=self.name, payloads=tuple(ids))


class OrderedPayload(View):
    """A payload of a workflow, with its index."""

    id: int
    name: str | None
    order_index: int


class WorkflowView(Stored):
    """A workflow."""

    name: str
    payloads: list[OrderedPayload]

    @classmethod
    def of(cls, workflow: Workflow, names: Mapping[int, str]) -> WorkflowView:
        """The workflow with its payloads' names."""
        ordered = [
            OrderedPayload(id=id_, name=names.get(id_), order_index=index)
            for index, id_ in enumerate(workflow.payloads)
        ]
        return cls(**own_fields(workflow, "name"), payloads=ordered)
