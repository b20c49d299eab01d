"""Who is asked when an LLM instance can't or won't answer: the instance that it names, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from baton.domain.catalog.definitions import LlmInstance, LlmInstanceDraft
from baton.domain.errors import Invalid
from baton.domain.llm.settings import LlmSettings
from baton.domain.runs.run import LlmTarget

MAX_FALLBACKS = 4
"""After so many, a payload is given up; no chain leads further."""


def with_fallbacks(
    instances: Iterable[LlmInstance], read: Callable[[Sequence[int]], Mapping[int, LlmInstance]]
) -> dict[int, LlmInstance]:
    """The instances by id, with all that they lead to; one ``read`` for each step of the longest chain."""
    known = {instance.id: instance for instance in instances}
    for _ in range(MAX_FALLBACKS):
        named = {instance.fallback for instance in known.values() if instance.fallback is not None}
        if not (missing := sorted(named - known.keys())):
            break
        known |= read(missing)
    return known


def chain(instance: LlmInstance, instances: Mapping[int, LlmInstance]) -> tuple[LlmInstance, ...]:
    """The instance and those that follow on it. It ends where one is gone, or would come up again."""
    found = [instance]
    while len(found) <= MAX_FALLBACKS and (following := instances.get(found[-1].fallback or 0)):
        if following in found:
            break
        found.append(following)
    return tuple(found)


def targets(settings: LlmSettings, asked: Sequence[LlmInstance]) -> tuple[LlmTarget, ...]:
    """What a payload's settings come to with each of its instances.

    A model's name, and options for another provider, are meant for the payload's own instance alone.
    """
    own = asked[0]
    return tuple(
        LlmTarget(
            endpoint=instance.endpoint(),
            settings=(settings if instance == own else _carried(settings, own, instance)).with_defaults(
                instance.defaults
            ),
        )
        for instance in asked
    )


def check_fallbacks(instance_id: int | None, draft: LlmInstanceDraft, instances: Mapping[int, LlmInstance]) -> None:
    """:raises Invalid: if the fallback that the draft names leads back to it, or on for too long."""
    passed = 0
    following = draft.fallback
    while following is not None:
        passed += 1
        if following == instance_id:
            raise Invalid("fallback", f"leads back to this instance after {passed} of them; nobody would be left.")
        if passed > MAX_FALLBACKS:
            raise Invalid("fallback", f"leads on to more than {MAX_FALLBACKS} instances.")
        following = instances[following].fallback if following in instances else None


def _carried(settings: LlmSettings, own: LlmInstance, other: LlmInstance) -> LlmSettings:
    own_alone = {"model"} if own.provider == other.provider else {"model", "options"}
    return replace(
        settings,
        model=None,
        options={} if "options" in own_alone else settings.options,
        unset=tuple(name for name in settings.unset if name not in own_alone),
    )
