"""Two concurrent writers, over real HTTP, a hundred times: exactly one succeeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.baton import Baton

ROUNDS = 100


def race(*writers: Callable[[], int]) -> list[int]:
    """The status that each writer receives when all start at the same time."""
    with ThreadPoolExecutor(len(writers)) as pool:
        return [answer.result() for answer in [pool.submit(writer) for writer in writers]]


def test_of_two_concurrent_creates_with_one_name_exactly_one_succeeds(baton: Baton) -> None:
    def create(title: str) -> Callable[[], int]:
        body = {"title": title, "content": "c"}
        return lambda: baton.send("POST", "/api/blocks", json=body).status_code

    answers = Counter(tuple(sorted(race(*[create(f"race for name {n}")] * 2))) for n in range(ROUNDS))
    assert answers == {(201, 409): ROUNDS}


def test_of_two_concurrent_replacements_of_one_version_exactly_one_succeeds(baton: Baton) -> None:
    block = baton.call("POST", "/api/blocks", {"title": "race for version", "content": "c"})
    path = f"/api/blocks/{block['id']}"

    def replace(version: int, content: str) -> Callable[[], int]:
        body, headers = {"title": "race for version", "content": content}, {"If-Match": f'"{version}"'}
        return lambda: baton.send("PUT", path, json=body, headers=headers).status_code

    answers = Counter(tuple(sorted(race(replace(n, "a"), replace(n, "b")))) for n in range(1, ROUNDS + 1))
    assert answers == {(200, 412): ROUNDS}
    assert baton.call("GET", path)["version"] == ROUNDS + 1


def test_without_if_match_both_replacements_succeed_and_the_last_one_is_stored(baton: Baton) -> None:
    block = baton.call("POST", "/api/blocks", {"title": "race without version", "content": "c"})
    path = f"/api/blocks/{block['id']}"

    def replace(content: str) -> Callable[[], int]:
        body = {"title": "race without version", "content": content}
        return lambda: baton.send("PUT", path, json=body).status_code

    assert {answer for _ in range(10) for answer in race(replace("a"), replace("b"))} == {200}
    assert baton.call("GET", path)["version"] == 21


def test_a_block_is_either_deleted_or_used_by_a_new_payload_but_not_both(baton: Baton) -> None:
    """A payload that refers to the block is created while the block is deleted."""
    instance = baton.instance("instance of the race for a block")
    outcomes: Counter[tuple[int, int]] = Counter()
    for number in range(ROUNDS // 4):
        block = baton.call("POST", "/api/blocks", {"title": f"race for block {number}", "content": "c"})["id"]
        payload = {"name": f"race for block {number}", "blocks": [block], "llm_instance": instance}
        deleted, created = race(
            lambda block=block: baton.send("DELETE", f"/api/blocks/{block}").status_code,  # type: ignore[misc]
            lambda payload=payload: baton.send("POST", "/api/payloads", json=payload).status_code,  # type: ignore[misc]
        )
        outcomes[deleted, created] += 1
    assert set(outcomes) <= {(204, 422), (409, 201)}
