"""An answer is published in parts while it is streamed; without subscribers nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from baton.domain.live.messages import Change, messages_of_change
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings
from baton.domain.runs.responses import PartialAnswer
from baton.domain.runs.run import Run
from baton.usecases.live.stream_answer import MAX_DELTA_CHARACTERS, PartialAnswerPublisher
from tests.fakes.llm import FakeLlm
from tests.support.records import NOON, TENANT, a_snapshot, an_answer
from tests.support.use_cases import FakeBaton


@pytest.fixture
def run(fake_baton: FakeBaton) -> Run:
    return fake_baton.started("Say something.")


@pytest.fixture
def publisher(fake_baton: FakeBaton, run: Run) -> PartialAnswerPublisher:
    return fake_baton.execute_payload.stream_answer.listener(run, a_snapshot(position=0, name="p0"))


def follow(fake_baton: FakeBaton, run_id: int | None = None) -> None:
    fake_baton.connections.connect(TENANT, "client", run_id, int(NOON.timestamp()), 0)


def stream(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, pieces: int, seconds: float = 0.1, piece: str = "word "
) -> str:
    """Send ``pieces`` texts, one every ``seconds``."""
    for _ in range(pieces):
        fake_baton.clock.advance(seconds)
        publisher.on_text(piece)
    return piece * pieces


def parts(fake_baton: FakeBaton) -> list[PartialAnswer]:
    return [change.new for change in fake_baton.runs.changes if isinstance(change.new, PartialAnswer)]


@pytest.mark.parametrize("run_id", [None, 1])
def test_a_subscriber_receives_parts_at_most_twice_a_second(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, run_id: int | None
) -> None:
    follow(fake_baton, run_id)
    text = stream(fake_baton, publisher, 100)
    published = parts(fake_baton)
    assert 15 <= len(published) <= 20, "in ten seconds"
    assert [part.offset for part in published] == [
        len("".join(p.delta for p in published[:n])) for n in range(len(published))
    ]
    assert text.startswith("".join(part.delta for part in published))
    assert len(text) - sum(len(part.delta) for part in published) < 40


def joined(fake_baton: FakeBaton) -> str:
    """The text of a client that reads only deltas, each at its offset."""
    text = ""
    for part in parts(fake_baton):
        assert part.offset == len(text)
        text += part.delta
    return text


def test_the_rest_of_a_short_answer_is_left_to_its_response(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    follow(fake_baton)
    text = stream(fake_baton, publisher, 33)
    before = joined(fake_baton)
    assert 0 < len(before) < len(text)
    assert publisher.finish(text) == len(before)
    assert joined(fake_baton) == before


@pytest.mark.parametrize("content", ["word " * 32, "word " * 33 + "?", "word " * 32 + "WORD "])
def test_the_rest_is_published_if_the_content_is_not_the_streamed_text(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, content: str
) -> None:
    """For example, if reasoning was removed from it."""
    follow(fake_baton)
    text = stream(fake_baton, publisher, 33)
    assert publisher.finish(content) is None
    assert joined(fake_baton) == text


@pytest.mark.parametrize("length", [16_001, 32_000, 32_001])
def test_a_long_rest_is_published_in_parts_with_ids_of_their_own(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, length: int
) -> None:
    follow(fake_baton)
    fake_baton.clock._tick = 0  # noqa: SLF001 - all in one millisecond
    publisher.on_text("é" * length)
    assert publisher.finish("é" * length) is None
    assert joined(fake_baton) == "é" * length
    assert len(parts(fake_baton)) == -(-length // 16_000)
    assert max(len(part.delta) for part in parts(fake_baton)) <= 16_000
    messages = [message.id for change in fake_baton.runs.changes for message in messages_of_change(change)]
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("length", [1, 15_999, 16_000])
def test_a_short_answer_is_published_with_its_response_without_a_call(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, length: int
) -> None:
    """It has ended before the first poll."""
    follow(fake_baton)
    publisher.on_text("é" * length)
    assert publisher.finish("é" * length) == 0
    assert (parts(fake_baton), fake_baton.connections.lookups.total()) == ([], 0)


def test_a_long_answer_is_published_if_a_client_has_subscribed_since_the_last_poll(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    text = stream(fake_baton, publisher, 33, piece="word " * 200)
    follow(fake_baton)
    publisher.finish(text)
    assert joined(fake_baton) == text


def test_the_rest_is_published_without_another_poll_if_a_part_was_published(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    follow(fake_baton)
    text = stream(fake_baton, publisher, 13, piece="word " * 400)
    lookups = fake_baton.connections.lookups.total()
    fake_baton.clock.advance(60)
    publisher.finish(text)
    assert fake_baton.connections.lookups.total() == lookups
    assert joined(fake_baton) == text


@pytest.mark.parametrize(
    ("subscribed", "polls"), [(False, [0.5, 1, 2, 4, 8, 16, 32, 62, 92, 122]), (True, [0.5, 30.5, 60.5, 90.5, 120.5])]
)
def test_polls_for_subscribers_become_rare(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, subscribed: bool, polls: list[float]
) -> None:
    """In seconds after the start of the answer."""
    if subscribed:
        follow(fake_baton)
    times = []
    for half_seconds in range(1, 260):
        before = fake_baton.connections.lookups.total()
        stream(fake_baton, publisher, 1, seconds=0.5)
        if fake_baton.connections.lookups.total() > before:
            times.append(half_seconds / 2)
    assert times == polls


def test_an_answer_that_was_not_streamed_needs_no_poll(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    assert publisher.finish("Yes.") is None
    assert fake_baton.connections.lookups.total() == 0


def test_a_failure_to_publish_the_rest_does_not_fail_the_answer(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> bool:
        raise OSError("no table")

    monkeypatch.setattr(fake_baton.connections, "has_subscribers", unreachable)
    publisher.on_text("Yes." * 5_000)
    assert publisher.finish("Yes." * 5_000) is None
    assert parts(fake_baton) == []


def test_a_part_is_an_execution_progress_with_what_is_new(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    follow(fake_baton)
    stream(fake_baton, publisher, 12)
    (first, second) = [message for change in fake_baton.runs.changes[-2:] for message in messages_of_change(change)]
    assert first.type == second.type == "execution_progress"
    assert first.id != second.id
    assert first.data["runId"] == 1
    assert (first.data["payloadName"], first.data["position"], first.data["status"]) == ("p0", 0, "running")
    assert (first.data["offset"], second.data["offset"]) == (0, len(first.data["delta"]))
    assert first.data["metadata"]["attempt"] == 1
    assert second.data["metadata"]["tokens_per_second"] == pytest.approx(12.5, rel=0.3), "5 characters in 0.1 s"


def test_tokens_per_second_count_from_the_first_text(fake_baton: FakeBaton, publisher: PartialAnswerPublisher) -> None:
    follow(fake_baton)
    stream(fake_baton, publisher, 4, seconds=3.7, piece="four")
    assert [part.tokens_per_second for part in parts(fake_baton)] == [None, 0.54, 0.41, 0.36]


def test_without_subscribers_nothing_is_written_and_polls_become_rare(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    stream(fake_baton, publisher, 600)
    assert parts(fake_baton) == []
    assert fake_baton.connections.lookups[TENANT, 1] <= 8, "in a minute"


def test_a_late_subscriber_receives_the_answer_from_its_start(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    before = stream(fake_baton, publisher, 30)
    follow(fake_baton)
    text = before + stream(fake_baton, publisher, 40)
    published = parts(fake_baton)
    assert published[0].offset == 0
    assert published[0].delta.startswith(before)
    assert text.startswith("".join(part.delta for part in published))


def test_after_the_last_disconnect_publishing_stops(fake_baton: FakeBaton, publisher: PartialAnswerPublisher) -> None:
    follow(fake_baton)
    stream(fake_baton, publisher, 20)
    fake_baton.connections.disconnect(TENANT, "client")
    stream(fake_baton, publisher, 310)
    published = len(parts(fake_baton))
    stream(fake_baton, publisher, 100)
    assert len(parts(fake_baton)) == published


def test_a_long_text_is_published_in_parts_that_fit_into_messages(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    follow(fake_baton)
    text = stream(fake_baton, publisher, 10, piece="é" * 9_000)
    published = parts(fake_baton)
    assert [len(part.delta) for part in published[:1]] == [MAX_DELTA_CHARACTERS]
    assert text.startswith("".join(part.delta for part in published))
    messages = [message for change in fake_baton.runs.changes for message in messages_of_change(change)]
    assert all(len(message.encode()) < 128_000 for message in messages)


def test_a_restarted_answer_is_published_from_its_start(
    fake_baton: FakeBaton, publisher: PartialAnswerPublisher
) -> None:
    follow(fake_baton)
    stream(fake_baton, publisher, 20)
    publisher.on_start()
    stream(fake_baton, publisher, 20, piece="other ")
    starts = [part for part in parts(fake_baton) if part.offset == 0]
    assert len(starts) == 2
    assert starts[1].delta.startswith("other ")


def test_a_failure_to_publish_does_not_fail_the_answer(fake_baton: FakeBaton, run: Run) -> None:
    follow(fake_baton)

    class Broken(type(fake_baton.steps)):  # type: ignore[misc]
        def publish_part(self, part: PartialAnswer) -> None:
            raise OSError(part.offset)

    stream_answer = replace(fake_baton.execute_payload.stream_answer, steps=Broken(fake_baton.runs))
    publisher = stream_answer.listener(run, a_snapshot())
    stream(fake_baton, publisher, 50)
    assert parts(fake_baton) == []


class StreamingLlm(FakeLlm):
    """Streams its answer word by word, a tenth of a second each."""

    def __init__(self, fake_baton: FakeBaton, *replies: LlmAnswer) -> None:
        super().__init__(*replies)
        self._world = fake_baton

    def __call__(self, call: LlmCall, listener: AnswerListener | None = None, _transport: object = None) -> LlmAnswer:
        answer = super().__call__(call, listener)
        if listener:
            listener.on_start()
            stream_words(self._world, listener, answer.content)
        return answer


def stream_words(fake_baton: FakeBaton, listener: AnswerListener, content: str) -> None:
    for word in content.split():
        fake_baton.clock.advance(0.1)
        listener.on_text(f"{word} ")


def message_types(changes: list[Change]) -> Iterator[str]:
    return (message.type for change in changes for message in messages_of_change(change))


@pytest.mark.parametrize("words", [0, 1, 50, 4_000])
def test_the_deltas_are_the_whole_answer_and_precede_its_response(fake_baton: FakeBaton, words: int) -> None:
    follow(fake_baton)
    content = "word " * words
    run = fake_baton.started("one", "two")
    first = len(fake_baton.runs.changes)
    execute = replace(fake_baton.execute_payload, llm=StreamingLlm(fake_baton, an_answer(content)))
    execute(fake_baton.step(run))
    messages = [message for change in fake_baton.runs.changes[first:] for message in messages_of_change(change)]
    *deltas, completed, started = messages
    assert (completed.type, started.id) == ("payload_completed", f"{run.id}-1-execution_progress-1")
    assert "".join(message.data["delta"] for message in deltas) == content
    assert [message.data["offset"] for message in deltas] == [
        sum(len(message.data["delta"]) for message in deltas[:number]) for number in range(len(deltas))
    ]
    assert all(len(message.encode()) < 128_000 for message in deltas)
    assert [message.data["metadata"]["attempt"] for message in deltas] == [1] * len(deltas)
    assert len({message.id for message in messages}) == len(messages)


def test_a_payload_with_stream_off_has_no_listener(fake_baton: FakeBaton) -> None:
    fake_baton.llm.script("An answer.", "An answer.")
    run = fake_baton.started("one", "two")
    fake_baton.execute_payload(fake_baton.step(run))
    records = fake_baton.runs.find(TENANT, run.id)
    assert records
    own = records.snapshots[1].own_target
    silent = replace(records.snapshots[1], targets=(replace(own, settings=LlmSettings(stream=False)),))
    records.snapshots = {1: silent}
    fake_baton.execute_payload(fake_baton.step(run, 1))
    assert [listener is None for listener in fake_baton.llm.listeners] == [False, True]
