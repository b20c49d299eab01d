"""What is known of a run before it starts, without calling an LLM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from baton.domain.catalog.definitions import WorkflowBundle
from baton.domain.errors import Invalid, PromptTooLong
from baton.domain.llm.endpoints import LlmPrice, cost_of
from baton.domain.llm.tokens import EXPECTED_ANSWER_TOKENS, estimated_tokens
from baton.domain.prompts import Reference, Sources, Where, check_rendered_bytes, look_up
from baton.domain.runs.run import Variables
from baton.domain.runs.snapshots import PayloadSnapshot, compile_snapshots
from baton.domain.templates import normalised, render, rendered_bytes

MAX_PREFLIGHT_BYTES = 20_000_000
"""Of all rendered prompts and system texts together, which are in memory at the same time."""

FoundIn = Literal["response", "variable", "missing", "later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedReference:
    """Where the value of a reference would come from.

    ``later``: the only payload of that name runs later, so the reference stays unresolved.
    """

    name: str
    where: Where
    source: FoundIn
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Tokens, and US dollars if the instance has a price. Answers are assumed to have their maximum length."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPayload:
    """One payload and its prompt, in which answers of earlier payloads are still references.

    ``system`` is the system text of the payload's own instance, in the same way.
    """

    position: int
    payload_id: int
    payload_name: str
    prompt: str
    system: str | None
    references: tuple[ExpectedReference, ...]
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What is known of a workflow before a run; ``warnings`` are about what its author may not have intended."""

    payloads: tuple[ExpectedPayload, ...]
    warnings: tuple[str, ...]

    @property
    def estimate(self) -> Estimate:
        """For the whole run; its cost is known only if every payload's is."""
        parts = [payload.estimate for payload in self.payloads]
        costs = [part.cost for part in parts if part.cost is not None]
        return Estimate(
            prompt_tokens=sum(part.prompt_tokens for part in parts),
            completion_tokens=sum(part.completion_tokens for part in parts),
            cost=sum(costs) if len(costs) == len(parts) else None,
        )


def preflight(definitions: WorkflowBundle, variables: Variables) -> Preflight:
    """Compile the workflow as a run would, and resolve its references.

    :raises Invalid: if no run of it could be started.
    """
    snapshots = compile_snapshots(definitions, variables)
    _check_sizes(snapshots, variables)
    answers = [snapshot.own_target.settings.max_tokens or EXPECTED_ANSWER_TOKENS for snapshot in snapshots]
    payloads = tuple(
        _expected(snapshot, snapshots, answers, variables, _price(snapshot, definitions)) for snapshot in snapshots
    )
    return Preflight(payloads=payloads, warnings=tuple(_warnings(payloads, variables)))


def _check_sizes(snapshots: Sequence[PayloadSnapshot], variables: Variables) -> None:
    """Before anything is rendered: a long variable may occur any number of times."""
    total = 0
    for snapshot in snapshots:
        texts, values = (snapshot.template, snapshot.own_target.settings.system or ""), _values(snapshot, variables)
        try:
            check_rendered_bytes(texts, values)
        except PromptTooLong as error:
            raise Invalid(
                "payloads", f"payload {snapshot.payload_id} at position {snapshot.position}: {error}"
            ) from error
        total += sum(rendered_bytes(text, values) for text in texts)
    if total > MAX_PREFLIGHT_BYTES:
        detail = f"their prompts have {total:,} bytes together; a preflight renders at most {MAX_PREFLIGHT_BYTES:,}."
        raise Invalid("payloads", detail)


def _values(snapshot: PayloadSnapshot, variables: Variables) -> Mapping[str, str]:
    """What is known of the payload's references: the values of variables."""
    references = snapshot.references_with(snapshot.own_target)
    known = [reference for reference in references if reference.source == "variable"]
    return look_up(known, Sources(variables=variables))[0]


def _price(snapshot: PayloadSnapshot, definitions: WorkflowBundle) -> LlmPrice | None:
    return definitions.instances[snapshot.own_target.endpoint.instance_id].price


def _expected(
    snapshot: PayloadSnapshot,
    snapshots: Sequence[PayloadSnapshot],
    answers: Sequence[int],
    variables: Variables,
    price: LlmPrice | None,
) -> ExpectedPayload:
    own, references = snapshot.own_target, snapshot.references_with(snapshot.own_target)
    values = _values(snapshot, variables)
    prompt = render(snapshot.template, values)
    system = None if own.settings.system is None else render(own.settings.system, values)
    following = [other for other in reversed(snapshots) if other.position >= snapshot.position]
    later = {normalised(other.payload_name): other.position for other in following}
    inserted_tokens = sum(answers[reference.position] for reference in references if reference.position is not None)
    return ExpectedPayload(
        position=snapshot.position,
        payload_id=snapshot.payload_id,
        payload_name=snapshot.payload_name,
        prompt=prompt,
        system=system,
        references=tuple(_found(reference, later) for reference in references),
        estimate=_estimate(prompt + (system or ""), inserted_tokens, answers[snapshot.position], price),
    )


def _found(reference: Reference, later: Mapping[str, int]) -> ExpectedReference:
    if reference.source == "missing" and reference.name in later:
        return ExpectedReference(
            name=reference.name, where=reference.where, source="later", position=later[reference.name]
        )
    return ExpectedReference(
        name=reference.name, where=reference.where, source=reference.source, position=reference.position
    )


def _estimate(text: str, inserted_tokens: int, answer: int, price: LlmPrice | None) -> Estimate:
    tokens = estimated_tokens(len(text)) + inserted_tokens
    return Estimate(prompt_tokens=tokens, completion_tokens=answer, cost=cost_of(price, tokens, answer))


def _warnings(payloads: Sequence[ExpectedPayload], variables: Variables) -> Iterator[str]:
    seen: dict[str, int] = {}
    variable_names = {normalised(name) for name in variables}
    for payload in payloads:
        where = f"Payload {payload.payload_name!r} (position {payload.position})"
        for reference in payload.references:
            written = f"{{{{{reference.name}}}}}" + (" in its system text" if reference.where == "system" else "")
            if reference.source == "missing":
                yield f"{where}: {written} is neither an earlier payload nor a variable."
            elif reference.source == "later":
                yield f"{where}: {written} runs later, at position {reference.position}."
        if payload.payload_name in seen:
            yield f"{where} runs at position {seen[payload.payload_name]} too; its name then means the latest answer."
        if normalised(payload.payload_name) in variable_names:
            yield f"{where} takes precedence over the variable of its name in the payloads after it."
        if not payload.prompt.strip():
            yield f"{where} has an empty prompt."
        seen[payload.payload_name] = payload.position
