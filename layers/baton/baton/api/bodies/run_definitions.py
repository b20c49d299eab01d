"""The definition that a run executes, as it was when the run was started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field

from baton.api.bodies.fields import View
from baton.api.bodies.settings import SettingsView
from baton.api.budget import fit_texts, remaining_budget, values_within
from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import SETTING_NAMES, LlmSettings
from baton.domain.runs.responses import reference_record
from baton.domain.runs.run import OnMissing, Run
from baton.domain.runs.snapshots import PayloadSnapshot

TRUNCATED_FIELD_BYTES = 50
"""The size of one field ``…_truncated``."""


class EndpointView(View):
    """The LLM instance of a payload."""

    id: int
    name: str
    provider: str
    base_url: str | None
    model: str
    timeout_seconds: float

    @classmethod
    def of(cls, endpoint: LlmEndpoint) -> EndpointView:
        """The endpoint as clients read it."""
        names = ("provider", "base_url", "model", "timeout_seconds")
        own = {name: getattr(endpoint, name) for name in names}
        return cls(id=endpoint.instance_id, name=endpoint.instance_name, **own)


def _truncated_field() -> Any:
    return Field(default=False, exclude_if=lambda is_truncated: not is_truncated)


class RunSettingsView(SettingsView):
    """All settings of a call; `null` for those that neither the payload nor the instance has."""

    options_truncated: bool = _truncated_field()
    response_format_truncated: bool = _truncated_field()
    stop_truncated: bool = _truncated_field()
    system_truncated: bool = _truncated_field()

    @classmethod
    def of(cls, settings: LlmSettings) -> Self:
        """The settings as clients read them; long values are empty until ``DefinitionView.fill_in`` adds them."""
        empty = {name: type(value)() for name, value in _long_values(settings).items() if value}
        system = {} if settings.system is None else {"system": ""}
        return cls.model_construct(**(_all_settings(settings) | empty | system))


class FallbackView(View):
    """An instance that is called after the final failure of the one before it, and its settings."""

    llm_instance: EndpointView
    settings: RunSettingsView


class SnapshotView(View):
    """One payload, compiled: its blocks as one template, its settings with the instance's defaults."""

    position: int
    payload_id: int
    payload_name: str
    template: str
    template_truncated: bool = False
    references: list[dict[str, Any]]
    references_truncated: bool = False
    settings: RunSettingsView
    llm_instance: EndpointView
    fallbacks: list[FallbackView]

    @classmethod
    def of(cls, snapshot: PayloadSnapshot) -> SnapshotView:
        """The snapshot as clients read it, without long values."""
        return cls(
            position=snapshot.position,
            payload_id=snapshot.payload_id,
            payload_name=snapshot.payload_name,
            template="",
            references=[],
            settings=RunSettingsView.of(snapshot.own_target.settings),
            llm_instance=EndpointView.of(snapshot.own_target.endpoint),
            fallbacks=[
                FallbackView(llm_instance=EndpointView.of(other.endpoint), settings=RunSettingsView.of(other.settings))
                for other in snapshot.targets[1:]
            ],
        )

    def all_settings(self) -> list[RunSettingsView]:
        """The settings for each instance, in the order in which they are called."""
        return [self.settings, *(fallback.settings for fallback in self.fallbacks)]


class DefinitionView(View):
    """The whole definition of a run. Later changes and deletions do not affect it.

    A value that doesn't fit into one response is marked by its name with `_truncated`: texts are cut, and lists of
    references and the settings `options`, `response_format` and `stop` are empty.
    """

    run_id: int
    workflow_id: int
    workflow_name: str
    on_missing: OnMissing
    payloads: list[SnapshotView]

    @classmethod
    def of(cls, run: Run, snapshots: Sequence[PayloadSnapshot]) -> DefinitionView:
        """The definition as clients read it."""
        view = cls(
            run_id=run.id,
            workflow_id=run.workflow_id,
            workflow_name=run.workflow_name,
            on_missing=run.on_missing,
            payloads=[SnapshotView.of(snapshot) for snapshot in snapshots],
        )
        view.fill_in(snapshots)
        return view

    def fill_in(self, snapshots: Sequence[PayloadSnapshot]) -> None:
        """Add the long values as far as they fit into one response; values before texts."""
        self._fill_in_values(snapshots)
        self._fill_in_texts(snapshots)

    def _fill_in_values(self, snapshots: Sequence[PayloadSnapshot]) -> None:
        """Each value whole, or not at all."""
        references = [
            [reference_record(reference) for reference in snapshot.references_with(snapshot.own_target)]
            for snapshot in snapshots
        ]
        targets = [target for snapshot in snapshots for target in snapshot.targets]
        settings = [each for payload in self.payloads for each in payload.all_settings()]
        long = [
            (view, name, value)
            for view, target in zip(settings, targets, strict=True)
            for name, value in _long_values(target.settings).items()
            if value
        ]
        values = [*references, *(value for _, _, value in long)]
        fitting = values_within(values, remaining_budget(self) - TRUNCATED_FIELD_BYTES * (len(values) + len(targets)))
        for payload, value, fits in zip(self.payloads, references, fitting, strict=False):
            payload.references, payload.references_truncated = (value, False) if fits else ([], True)
        for (view, name, value), fits in zip(long, fitting[len(references) :], strict=True):
            setattr(view, *((name, value) if fits else (f"{name}_truncated", True)))

    def _fill_in_texts(self, snapshots: Sequence[PayloadSnapshot]) -> None:
        targets = [target for snapshot in snapshots for target in snapshot.targets]
        systems = [target.settings.system or "" for target in targets]
        fitting = fit_texts([*(snapshot.template for snapshot in snapshots), *systems], remaining_budget(self))
        for payload, (template, cut) in zip(self.payloads, fitting, strict=False):
            payload.template, payload.template_truncated = template, cut
        settings = [each for payload in self.payloads for each in payload.all_settings()]
        for view, target, (system, cut) in zip(settings, targets, fitting[len(snapshots) :], strict=True):
            if target.settings.system is not None:
                view.system, view.system_truncated = system, cut


def _long_values(settings: LlmSettings) -> dict[str, Any]:
    values_by_name = _all_settings(settings)
    values = {name: values_by_name[name] for name in ("options", "response_format", "stop")}
    return {name: value for name, value in values.items() if isinstance(value, list | dict)}


def _all_settings(settings: LlmSettings) -> dict[str, Any]:
    """Every setting; ``None`` for those that are omitted or unset."""
    return {**dict.fromkeys(SETTING_NAMES), "options": {}, **settings.to_dict()}
