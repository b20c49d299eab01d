"""What a run executes: the definition as it was when the run was started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baton.domain.runs import OnMissing, PayloadSnapshot, Run, reference_record
from baton.runtime.http.budget import fit
from baton.runtime.http.catalog_models import settings_record
from baton.runtime.http.fields import Answer


class EndpointAnswer(Answer):
    """Where a payload's call goes."""

    id: int
    name: str
    provider: str
    base_url: str | None
    model: str
    timeout_seconds: float


class SnapshotAnswer(Answer):
    """One payload, compiled: its blocks as one template, its settings with the instance's defaults."""

    position: int
    payload_id: int
    payload_name: str
    template: str
    template_truncated: bool
    references: list[dict[str, Any]]
    settings: dict[str, Any]
    llm_instance: EndpointAnswer

    @classmethod
    def of(cls, snapshot: PayloadSnapshot, template: str, *, cut: bool) -> SnapshotAnswer:
        """The snapshot as clients read it."""
        endpoint = snapshot.endpoint
        return cls(
            position=snapshot.position,
            payload_id=snapshot.payload_id,
            payload_name=snapshot.payload_name,
            template=template,
            template_truncated=cut,
            references=[reference_record(reference) for reference in snapshot.references],
            settings=settings_record(snapshot.settings),
            llm_instance=EndpointAnswer(
                id=endpoint.instance_id,
                name=endpoint.instance_name,
                provider=endpoint.provider,
                base_url=endpoint.base_url,
                model=endpoint.model,
                timeout_seconds=endpoint.timeout_seconds,
            ),
        )


class DefinitionAnswer(Answer):
    """The whole definition of a run. Nothing that is edited or deleted later changes it."""

    run_id: int
    workflow_id: int
    workflow_name: str
    on_missing: OnMissing
    payloads: list[SnapshotAnswer]

    @classmethod
    def of(cls, run: Run, snapshots: Sequence[PayloadSnapshot]) -> DefinitionAnswer:
        """The definition as clients read it."""
        templates = fit(snapshot.template for snapshot in snapshots)
        return cls(
            run_id=run.id,
            workflow_id=run.workflow_id,
            workflow_name=run.workflow_name,
            on_missing=snapshots[0].on_missing if snapshots else "keep",
            payloads=[
                SnapshotAnswer.of(snapshot, template, cut=cut)
                for snapshot, (template, cut) in zip(snapshots, templates, strict=True)
            ],
        )
