"""An answer is told while it grows, to those who follow; and to nobody it costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from baton.domain.live.messages import Change, messages_of
from baton.domain.llm.calls import LlmAnswer, LlmCall, LlmSettings
from baton.domain.runs.run import AnswerPart, Run
from baton.usecases.live.stream_answer import MAX_DELTA_CHARACTERS, AnswerTeller
from tests.fakes.llm import FakeLlm
from tests.support.records import NOON, TENANT, a_snapshot, an_answer
from tests.support.use_cases import World


@pytest.fixture
def run(world: World) -> Run:
    return world.started("Say something.")


@pytest.fixture
def teller(world: World, run: Run) -> AnswerTeller:
    return world.execute_payload.tell_answer.listener(run, a_snapshot(position=0, name="p0"))


def follow(world: World, run_id: int | None = None) -> None:
    world.connections.connect(TENANT, "client", run_id, int(NOON.timestamp()), 0)


def hear(world: World, teller: AnswerTeller, pieces: int, seconds: float = 0.1, piece: str = "word ") -> str:
    """Let so many pieces come, one each so many seconds."""
    for _ in range(pieces):
        world.clock.advance(seconds)
        teller.hear(piece)
    return piece * pieces


def parts(world: World) -> list[AnswerPart]:
    return [change.new for change in world.runs.changes if isinstance(change.new, AnswerPart)]


@pytest.mark.parametrize("run_id", [None, 1])
def test_who_follows_hears_the_answer_grow_at_most_twice_a_second(
    world: World, teller: AnswerTeller, run_id: int | None
) -> None:
    follow(world, run_id)
    text = hear(world, teller, 100)
    told = parts(world)
    assert 15 <= len(told) <= 20, "in ten seconds"
    assert [part.offset for part in told] == [len("".join(p.delta for p in told[:n])) for n in range(len(told))]
    assert text.startswith("".join(part.delta for part in told))
    assert len(text) - sum(len(part.delta) for part in told) < 40


def test_a_part_is_an_execution_progress_with_what_is_new(world: World, teller: AnswerTeller) -> None:
    follow(world)
    hear(world, teller, 12)
    (first, second) = [message for change in world.runs.changes[-2:] for message in messages_of(change)]
    assert first.type == second.type == "execution_progress"
    assert first.id != second.id
    assert first.data["runId"] == 1
    assert (first.data["payloadName"], first.data["position"], first.data["status"]) == ("p0", 0, "running")
    assert (first.data["offset"], second.data["offset"]) == (0, len(first.data["delta"]))
    assert first.data["metadata"]["attempt"] == 1
    assert second.data["metadata"]["tokens_per_second"] == pytest.approx(12.5, rel=0.3), "5 characters in 0.1 s"


def test_while_nobody_follows_nothing_is_written_and_looks_become_rare(world: World, teller: AnswerTeller) -> None:
    hear(world, teller, 600)
    assert parts(world) == []
    assert world.connections.lookups[TENANT, 1] <= 8, "in a minute"


def test_who_comes_in_the_middle_is_told_all_that_there_is(world: World, teller: AnswerTeller) -> None:
    before = hear(world, teller, 30)
    follow(world)
    text = before + hear(world, teller, 40)
    told = parts(world)
    assert told[0].offset == 0
    assert told[0].delta.startswith(before)
    assert text.startswith("".join(part.delta for part in told))


def test_when_the_last_follower_leaves_it_is_noticed(world: World, teller: AnswerTeller) -> None:
    follow(world)
    hear(world, teller, 20)
    world.connections.disconnect(TENANT, "client")
    hear(world, teller, 310)
    told = len(parts(world))
    hear(world, teller, 100)
    assert len(parts(world)) == told


def test_a_flood_is_told_in_parts_that_fit_into_messages(world: World, teller: AnswerTeller) -> None:
    follow(world)
    text = hear(world, teller, 10, piece="é" * 9_000)
    told = parts(world)
    assert [len(part.delta) for part in told[:1]] == [MAX_DELTA_CHARACTERS]
    assert text.startswith("".join(part.delta for part in told))
    assert all(len(message.encode()) < 128_000 for change in world.runs.changes for message in messages_of(change))


def test_an_answer_that_begins_anew_is_told_from_its_beginning(world: World, teller: AnswerTeller) -> None:
    follow(world)
    hear(world, teller, 20)
    teller.begin()
    hear(world, teller, 20, piece="other ")
    starts = [part for part in parts(world) if part.offset == 0]
    assert len(starts) == 2
    assert starts[1].delta.startswith("other ")


def test_trouble_with_telling_is_none_of_the_answers(world: World, run: Run) -> None:
    follow(world)

    class Broken(type(world.steps)):  # type: ignore[misc]
        def tell_part(self, part: AnswerPart) -> None:
            raise OSError(part.offset)

    tell = replace(world.execute_payload.tell_answer, steps=Broken(world.runs))
    teller = tell.listener(run, a_snapshot())
    hear(world, teller, 50)
    assert parts(world) == []


class StreamingLlm(FakeLlm):
    """Lets its answer be heard word by word, a tenth of a second each."""

    def __init__(self, world: World, *replies: LlmAnswer) -> None:
        super().__init__(*replies)
        self._world = world

    def __call__(self, call: LlmCall) -> LlmAnswer:
        answer = super().__call__(call)
        if call.listener:
            call.listener.begin()
            hear_words(self._world, call, answer.content)
        return answer


def hear_words(world: World, call: LlmCall, content: str) -> None:
    for word in content.split():
        world.clock.advance(0.1)
        assert call.listener
        call.listener.hear(f"{word} ")


def message_types(changes: list[Change]) -> Iterator[str]:
    return (message.type for change in changes for message in messages_of(change))


def test_the_stored_response_is_the_whole_and_comes_after_its_parts(world: World, run: Run) -> None:
    follow(world)
    content = "word " * 50
    execute = replace(world.execute_payload, llm=StreamingLlm(world, an_answer(content)))
    execute(world.step(run))
    assert world.runs.read_history(TENANT, 1).responses[0].content == content
    types = list(message_types(world.runs.changes))
    assert types[-1] == "payload_completed"
    assert len(parts(world)) >= 8


def test_a_payload_that_is_not_to_be_streamed_has_no_listener(world: World) -> None:
    world.llm.script("An answer.", "An answer.")
    run = world.started("one", "two")
    world.execute_payload(world.step(run))
    there = world.runs.find(TENANT, run.id)
    assert there
    silent = replace(there.snapshots[1], settings=LlmSettings(stream=False))
    there.snapshots = {1: silent}
    world.execute_payload(world.step(run, 1))
    assert [call.listener is None for call in world.llm.calls] == [False, True]
