"""What a run executes: the definition as it was when the run was started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baton.domain.llm import LlmEndpoint, LlmSettings
from baton.domain.runs import OnMissing, PayloadSnapshot, Run, reference_record
from baton.runtime.http.budget import fit, room_beside
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

    @classmethod
    def of(cls, endpoint: LlmEndpoint) -> EndpointAnswer:
        """The endpoint as clients read it."""
        names = ("provider", "base_url", "model", "timeout_seconds")
        own = {name: getattr(endpoint, name) for name in names}
        return cls(id=endpoint.instance_id, name=endpoint.instance_name, **own)


class FallbackAnswer(Answer):
    """Who is asked when the instances before can't or won't answer, and with which settings."""

    llm_instance: EndpointAnswer
    settings: dict[str, Any]


class SnapshotAnswer(Answer):
    """One payload, compiled: its blocks as one template, its settings with the instance's defaults."""

    position: int
    payload_id: int
    payload_name: str
    template: str
    template_truncated: bool = False
    references: list[dict[str, Any]]
    settings: dict[str, Any]
    llm_instance: EndpointAnswer
    fallbacks: list[FallbackAnswer]

    @classmethod
    def of(cls, snapshot: PayloadSnapshot) -> SnapshotAnswer:
        """The snapshot as clients read it, without its texts."""
        return cls(
            position=snapshot.position,
            payload_id=snapshot.payload_id,
            payload_name=snapshot.payload_name,
            template="",
            references=[reference_record(reference) for reference in snapshot.references],
            settings=_settings(snapshot.settings),
            llm_instance=EndpointAnswer.of(snapshot.endpoint),
            fallbacks=[
                FallbackAnswer(llm_instance=EndpointAnswer.of(other.endpoint), settings=_settings(other.settings))
                for other in snapshot.fallbacks
            ],
        )

    def all_settings(self) -> list[dict[str, Any]]:
        """Of everyone who may be asked, in that order."""
        return [self.settings, *(fallback.settings for fallback in self.fallbacks)]


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
        told = cls(
            run_id=run.id,
            workflow_id=run.workflow_id,
            workflow_name=run.workflow_name,
            on_missing=snapshots[0].on_missing if snapshots else "keep",
            payloads=[SnapshotAnswer.of(snapshot) for snapshot in snapshots],
        )
        told.fill_in(snapshots)
        return told

    def fill_in(self, snapshots: Sequence[PayloadSnapshot]) -> None:
        """Templates and system texts, as far as one answer can carry them beside all else."""
        targets = [target for snapshot in snapshots for target in snapshot.targets]
        systems = [target.settings.system or "" for target in targets]
        fitting = fit([*(snapshot.template for snapshot in snapshots), *systems], room_beside(self))
        for payload, (template, cut) in zip(self.payloads, fitting, strict=False):
            payload.template, payload.template_truncated = template, cut
        settings = [each for payload in self.payloads for each in payload.all_settings()]
        for said, target, (system, cut) in zip(settings, targets, fitting[len(snapshots) :], strict=True):
            if target.settings.system is not None:
                said.update({"system": system} | ({"system_truncated": True} if cut else {}))


def _settings(settings: LlmSettings) -> dict[str, Any]:
    return settings_record(settings) | ({} if settings.system is None else {"system": ""})
