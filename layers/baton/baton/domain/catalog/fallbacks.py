"""The chain of fallbacks of an LLM instance: its fallback, the fallback of that one, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from baton.domain.catalog.definitions import LlmInstance, LlmInstanceDraft
from baton.domain.errors import Invalid
from baton.domain.llm.endpoints import LlmTarget
from baton.domain.llm.settings import LlmSettings

MAX_FALLBACKS = 4
"""The most fallbacks in a chain; after the last one, the payload fails."""


def with_fallbacks(
    instances: Iterable[LlmInstance], read: Callable[[Sequence[int]], Mapping[int, LlmInstance]]
) -> dict[int, LlmInstance]:
    """The instances and all of their fallbacks by id; one ``read`` for each step of the longest chain."""
    known = {instance.id: instance for instance in instances}
    for _ in range(MAX_FALLBACKS):
        named = {instance.fallback for instance in known.values() if instance.fallback is not None}
        if not (missing := sorted(named - known.keys())):
            break
        known |= read(missing)
    return known


def chain(instance: LlmInstance, instances: Mapping[int, LlmInstance]) -> tuple[LlmInstance, ...]:
    """The instance and its fallbacks in order. The chain ends before a deleted instance, and before a repetition."""
    found = [instance]
    while len(found) <= MAX_FALLBACKS and (fallback := instances.get(found[-1].fallback or 0)):
        if fallback in found:
            break
        found.append(fallback)
    return tuple(found)


def targets(settings: LlmSettings, instances: Sequence[LlmInstance]) -> tuple[LlmTarget, ...]:
    """A payload's settings merged with the defaults of each instance of its chain, the payload's own one first.

    A fallback does not get the payload's ``model``, nor its ``options`` if it has another provider.
    """
    own = instances[0]
    return tuple(
        LlmTarget(
            endpoint=instance.endpoint(),
            settings=(settings if instance == own else _for_fallback(settings, own, instance)).with_defaults(
                instance.defaults
            ),
        )
        for instance in instances
    )


def check_fallbacks(instance_id: int | None, draft: LlmInstanceDraft, instances: Mapping[int, LlmInstance]) -> None:
    """:raises Invalid: if the chain of fallbacks returns to this instance, or is too long."""
    length = 0
    fallback = draft.fallback
    while fallback is not None:
        length += 1
        if fallback == instance_id:
            raise Invalid("fallback", f"forms a cycle: fallback {length} of the chain is this instance.")
        if length > MAX_FALLBACKS:
            raise Invalid("fallback", f"starts a chain of more than {MAX_FALLBACKS} instances.")
        fallback = instances[fallback].fallback if fallback in instances else None


def _for_fallback(settings: LlmSettings, own: LlmInstance, other: LlmInstance) -> LlmSettings:
    own_only = {"model"} if own.provider == other.provider else {"model", "options"}
    return replace(
        settings,
        model=None,
        options={} if "options" in own_only else settings.options,
        unset=tuple(name for name in settings.unset if name not in own_only),
    )
