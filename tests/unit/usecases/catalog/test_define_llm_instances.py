"""An instance's key: sent only to its origin, and consistent with the record after races and crashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from baton.domain.catalog.definitions import InlineBlock, LlmInstance, Payload, Workflow
from baton.domain.catalog.searches import Search
from baton.domain.errors import BatonError, Invalid, LlmRefused, NotFound
from baton.domain.llm.api_keys import NO_KEY
from baton.domain.runs.run import Run
from baton.usecases.catalog.define import Edit
from tests.fakes.catalog import FakeCatalog
from tests.fakes.llm import FakeSecrets
from tests.support.records import NOON, TENANT, instance_draft, payload_draft, workflow_draft
from tests.support.use_cases import FakeBaton

NO_SEARCH = Search()
A, B = "https://a.example/v1", "https://b.example/v1"
EDIT = Edit(tenant=TENANT, definition_id=1, now=NOON)


def draft(base_url: str | None = A, provider: str = "openai", **fields: Any) -> Any:
    return instance_draft(provider=provider, base_url=base_url, **fields)


def sent_to(fake_baton: FakeBaton) -> str | None:
    """The key that a call of the newest record sends."""
    return fake_baton.api_keys.for_call(TENANT, fake_baton.catalog.read(TENANT, LlmInstance, 1).endpoint())


@pytest.fixture
def keyed(fake_baton: FakeBaton) -> FakeBaton:
    """Instance 1 at A with a key."""
    fake_baton.instances.create(TENANT, draft(), "sk-a", NOON)
    return fake_baton


@pytest.mark.parametrize(
    "changed",
    [
        draft(B),
        draft("https://a.example:8443/v1"),
        draft("https://sub.a.example/v1"),
        draft(provider="anthropic"),
        draft(None, provider="anthropic"),
        draft(None, provider="simulated"),
    ],
)
def test_another_origin_or_provider_needs_the_key_again(keyed: FakeBaton, changed: Any) -> None:
    with pytest.raises(Invalid, match=r"^api_key: the stored key is for another provider or base_url"):
        keyed.instances.replace(EDIT, changed, None)
    assert keyed.catalog.read(TENANT, LlmInstance, 1).version == 1
    assert keyed.secrets.keys == {(TENANT, 1): "sk-a"}
    following = keyed.instances.replace(EDIT, changed, "sk-new")
    assert (following.has_api_key, sent_to(keyed)) == (True, "sk-new")


@pytest.mark.parametrize(
    "same",
    [
        "https://a.example",
        "https://a.example:443/other?api-version=1",
        "HTTPS://A.EXAMPLE./v1",
        "https://a.example:0443/",
        "https://a.example:/",
    ],
)
def test_the_same_origin_in_another_form_does_not_remove_the_key(keyed: FakeBaton, same: str) -> None:
    changed = draft(same, name="other", model="m2", api_key_header="x-key", timeout_seconds=5)
    assert keyed.instances.replace(EDIT, changed, None).has_api_key
    assert sent_to(keyed) == "sk-a"


def test_a_providers_default_base_url_equals_none(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, draft(None, "anthropic"), "sk-a", NOON)
    for base_url in ("https://api.anthropic.com", "https://api.anthropic.com/v1", None):
        fake_baton.instances.replace(EDIT, draft(base_url, "anthropic"), None)
        assert sent_to(fake_baton) == "sk-a"
    with pytest.raises(Invalid, match=r"^api_key"):
        fake_baton.instances.replace(EDIT, draft(B, "anthropic"), None)


def test_null_removes_the_key_and_then_any_origin_is_accepted(keyed: FakeBaton) -> None:
    following = keyed.instances.replace(EDIT, draft(B), NO_KEY)
    assert (following.has_api_key, keyed.secrets.stored, sent_to(keyed)) == (False, {}, None)
    assert not keyed.instances.replace(EDIT, draft(), None).has_api_key
    assert not keyed.instances.create(TENANT, draft(name="other"), NO_KEY, NOON).has_api_key


def test_a_record_changed_to_another_origin_without_its_key_sends_nothing(keyed: FakeBaton) -> None:
    """Such a replacement was accepted by earlier versions."""
    instance = keyed.catalog.read(TENANT, LlmInstance, 1)
    for base_url, provider in ((B, "openai"), (A, "anthropic"), (None, "anthropic"), (None, "bedrock")):
        turned = replace(instance, base_url=base_url, provider=provider)
        with pytest.raises(LlmRefused, match=r"was set for https://a\.example:443 .*nothing was sent") as caught:
            keyed.api_keys.for_call(TENANT, turned.endpoint())
        assert "sk-a" not in str(caught.value)


@pytest.mark.parametrize("stored", ["sk-plain", "123", "null", '"sk"', '{"key": "sk-a"}', "[" * 100_000])
def test_a_key_that_was_stored_without_its_origin_is_rejected_with_the_instances_name(
    keyed: FakeBaton, stored: str
) -> None:
    keyed.secrets.stored[TENANT, 1] = stored
    with pytest.raises(LlmRefused, match="was stored without the address it is for; set it again"):
        sent_to(keyed)


@pytest.mark.parametrize(
    "base_url", ["https://a.example\\@b.example", "https://x@a.example", " https://a.example", "https://a.example:0"]
)
def test_an_ambiguous_base_url_gets_no_key(keyed: FakeBaton, base_url: str) -> None:
    """Such a base URL was accepted by earlier versions."""
    instance = replace(keyed.catalog.read(TENANT, LlmInstance, 1), base_url=base_url)
    with pytest.raises(LlmRefused, match="The API key isn't sent: the base URL"):
        keyed.api_keys.for_call(TENANT, instance.endpoint())


def test_an_old_run_never_sends_the_new_key_to_the_old_origin(fake_baton: FakeBaton) -> None:
    fake_baton.instances.create(TENANT, draft(), "sk-a", NOON)
    run = start(fake_baton, 1)
    fake_baton.instances.replace(EDIT, draft(B), "sk-b")
    after = fake_baton.execute_payload(fake_baton.step(run))
    assert (after.outcome, fake_baton.llm.calls) == ("failed", [])
    assert after.error is not None
    assert "was set for https://b.example:443" in after.error
    assert "this call goes to https://a.example:443" in after.error
    assert "sk-b" not in after.error


def test_a_fallback_never_gets_a_key_for_another_origin_and_is_called_after_such_an_instance(
    fake_baton: FakeBaton,
) -> None:
    fake_baton.instances.create(TENANT, draft(name="last"), "sk-last", NOON)
    fake_baton.instances.create(TENANT, draft(name="first", fallback=1), "sk-first", NOON)
    run = start(fake_baton, 2)
    second = Edit(tenant=TENANT, definition_id=2, now=NOON)
    fake_baton.instances.replace(second, draft(B, name="first", fallback=1), "sk-b")
    fake_baton.llm.script("An answer.")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert [call.api_key for call in fake_baton.llm.calls] == ["sk-last"]
    again = start(fake_baton, 2, "again")
    fake_baton.instances.replace(EDIT, draft(B, name="last"), "sk-c")
    fake_baton.instances.replace(second, draft(A, name="first", fallback=1), "sk-d")
    fake_baton.state_machine.execute(fake_baton.step(again))
    assert fake_baton.runs.read(TENANT, again.id).status == "failed"
    assert len(fake_baton.llm.calls) == 1


def start(fake_baton: FakeBaton, instance_id: int, name: str = "w") -> Run:
    """A running run of one payload of this instance."""
    blocks = [InlineBlock(content="Say.")]
    payload = fake_baton.define.create(TENANT, Payload, payload_draft(name, blocks, instance_id), NOON)
    workflow = fake_baton.define.create(TENANT, Workflow, workflow_draft(name, [payload.id]), NOON)
    run = fake_baton.start_run(TENANT, workflow.id, {}, NOON)
    fake_baton.state_machine.start(fake_baton.step(run))
    return run


class FieldError(Exception):
    """An AWS service that fails, or a process that ends."""


class Steps:
    """Counts the calls of ports as steps, and runs a function before or after one of them."""

    def __init__(self, happening: Callable[[], None]) -> None:
        self.taken = count()
        self.at: tuple[int, str] | None = None
        self.happening = happening

    def run(self, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        step = next(self.taken)
        for moment in ("before", "after"):
            if moment == "after":
                answer = call(*args, **more)
            if (step, moment) == self.at:
                self.at = None
                self.happening()
        return answer

    def arm(self, step: int, moment: str) -> None:
        """Run the function at that step from now on."""
        self.taken, self.at = count(), (step, moment)


class Stepping:
    """A port whose calls are steps."""

    def __init__(self, port: Any, steps: Steps) -> None:
        self._port, self._steps = port, steps

    def __getattr__(self, name: str) -> Any:
        existing = getattr(self._port, name)
        return (lambda *args, **more: self._steps.run(existing, *args, **more)) if callable(existing) else existing


def fail() -> None:
    raise FieldError


def stepping(happening: Callable[[], None]) -> tuple[FakeBaton, FakeBaton, Steps]:
    """Two functions on the same records: only the steps of the first one can be interrupted."""
    steps, catalog, secrets = Steps(happening), FakeCatalog(), FakeSecrets()
    disturbed = FakeBaton(catalog=Stepping(catalog, steps), secrets=Stepping(secrets, steps))  # type: ignore[arg-type]
    return disturbed, FakeBaton(catalog=catalog, secrets=secrets), steps


def assert_safe(fake_baton: FakeBaton) -> None:
    """A key is only ever sent to its own origin."""
    for base_url in (A, B):
        for instance in fake_baton.catalog.page(TENANT, LlmInstance, 10, None, NO_SEARCH).items:
            endpoint = replace(instance, base_url=base_url, has_api_key=True).endpoint()
            try:
                key = fake_baton.api_keys.for_call(TENANT, endpoint)
            except LlmRefused:
                continue
            assert key in {A: ("sk-a", "sk-a2"), B: ("sk-b",)}[base_url]


EVERY_STEP = [(step, moment) for step in range(14) for moment in ("before", "after")]


@pytest.mark.parametrize(("step", "moment"), EVERY_STEP)
def test_a_creation_that_fails_at_any_step_leaves_no_key(step: int, moment: str) -> None:
    disturbed, fake_baton, steps = stepping(fail)
    steps.arm(step, moment)
    try:
        created = disturbed.instances.create(TENANT, draft(), "sk-a", NOON)
    except FieldError:
        assert fake_baton.catalog.read_many(TENANT, LlmInstance, [1]) == {}, "it was taken back"
        assert fake_baton.secrets.stored == {}
        created = disturbed.instances.create(TENANT, draft(), "sk-a", NOON)
    assert created.has_api_key
    assert fake_baton.secrets.keys == {(TENANT, created.id): "sk-a"}


@pytest.mark.parametrize(("step", "moment"), EVERY_STEP)
def test_a_creation_that_stops_at_any_step_is_stored_or_leaves_no_key(step: int, moment: str) -> None:
    """The process ends, so nothing can be rolled back."""

    def stop() -> None:
        raise KeyboardInterrupt

    disturbed, fake_baton, steps = stepping(stop)
    steps.arm(step, moment)
    try:
        disturbed.instances.create(TENANT, draft(), "sk-a", NOON)
    except KeyboardInterrupt:
        existing = fake_baton.catalog.read_many(TENANT, LlmInstance, [1])
        assert existing or not fake_baton.secrets.stored
        assert_safe(fake_baton)
        if existing:
            fake_baton.instances.replace(EDIT, draft(), "sk-a")
            assert sent_to(fake_baton) == "sk-a"
    else:
        assert sent_to(fake_baton) == "sk-a"


@pytest.mark.parametrize(("step", "moment"), EVERY_STEP)
@pytest.mark.parametrize(
    ("following", "api_key", "sent"),
    [(draft(B), "sk-b", "sk-b"), (draft(), "sk-a2", "sk-a2"), (draft(), None, "sk-a"), (draft(B), NO_KEY, None)],
)
def test_a_replacement_that_fails_at_any_step_is_safe_and_completed_by_the_same_request(
    step: int, moment: str, following: Any, api_key: str | None, sent: str | None
) -> None:
    disturbed, fake_baton, steps = stepping(fail)
    fake_baton.instances.create(TENANT, draft(), "sk-a", NOON)
    steps.arm(step, moment)
    try:
        disturbed.instances.replace(EDIT, following, api_key)
    except FieldError:
        assert_safe(fake_baton)
        disturbed.instances.replace(EDIT, following, api_key)
    assert sent_to(fake_baton) == sent
    assert list(fake_baton.secrets.keys.values()) == ([sent] if sent else [])


@pytest.mark.parametrize(("step", "moment"), EVERY_STEP)
def test_a_repeated_deletion_after_a_failure_at_any_step_leaves_nothing(step: int, moment: str) -> None:
    disturbed, fake_baton, steps = stepping(fail)
    fake_baton.instances.create(TENANT, draft(), "sk-a", NOON)
    steps.arm(step, moment)
    try:
        disturbed.instances.delete(EDIT)
    except FieldError:
        assert_safe(fake_baton)
        if fake_baton.catalog.read_many(TENANT, LlmInstance, [1]):
            assert sent_to(fake_baton) == "sk-a", "a remaining instance has its key"
            disturbed.instances.delete(EDIT)
        else:
            with pytest.raises(NotFound):
                disturbed.instances.delete(EDIT)
    assert fake_baton.secrets.stored == {}


@pytest.mark.parametrize("at", EVERY_STEP)
@pytest.mark.parametrize(
    ("mine", "my_key", "other", "other_key"),
    [
        (draft(), "sk-a", draft(model="m2"), None),
        (draft(model="m2"), None, draft(), "sk-a"),
        (draft(B), "sk-b", draft(), "sk-a"),
        (draft(), "sk-a", draft(), NO_KEY),
        (draft(B), "sk-b", draft(), None),
    ],
)
def test_concurrent_replacements_leave_the_key_of_the_record_or_none(
    at: tuple[int, str], mine: Any, my_key: str | None, other: Any, other_key: str | None
) -> None:
    """One is done completely between two steps of the other, for every step. If only one has a key, it is stored."""

    fields: list[str] = []

    def meanwhile() -> None:
        try:
            fake_baton.instances.replace(EDIT, other, other_key)
        except Invalid as error:  # mine was first, at another origin
            fields.append(error.field)

    disturbed, fake_baton, steps = stepping(meanwhile)
    fake_baton.instances.create(TENANT, draft(), None, NOON)
    steps.arm(*at)
    disturbed.instances.replace(EDIT, mine, my_key)
    if steps.at is not None:
        meanwhile()
    assert_safe(fake_baton)
    newest = fake_baton.catalog.read(TENANT, LlmInstance, 1)
    if NO_KEY not in (my_key, other_key) and None in (my_key, other_key):
        assert newest.has_api_key
    assert newest.has_api_key or not fake_baton.secrets.stored
    assert set(fields) <= {"api_key"}
    if my_key and other_key and sent_or_refused(fake_baton) is LlmRefused:
        fake_baton.instances.replace(EDIT, other, other_key)
    assert sent_to(fake_baton) in (my_key, other_key, None)


def test_an_earlier_writer_does_not_change_the_key_of_a_later_record(
    fake_baton: FakeBaton, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_baton.instances.create(TENANT, draft(), None, NOON)
    replace_record = fake_baton.catalog.replace

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(fake_baton.catalog, "replace", replace_record)
        replace_record(*args)
        fake_baton.instances.replace(EDIT, draft(), "sk-a")

    monkeypatch.setattr(fake_baton.catalog, "replace", overtaken)
    fake_baton.instances.replace(EDIT, draft(B), "sk-b")
    assert fake_baton.catalog.read(TENANT, LlmInstance, 1).base_url == A
    assert sent_to(fake_baton) == "sk-a"


def sent_or_refused(fake_baton: FakeBaton) -> object:
    try:
        return sent_to(fake_baton)
    except LlmRefused:
        return LlmRefused


@pytest.mark.parametrize(("step", "moment"), EVERY_STEP)
def test_no_key_remains_after_a_concurrent_deletion_of_the_instance(step: int, moment: str) -> None:
    def meanwhile() -> None:
        fake_baton.instances.delete(EDIT)

    disturbed, fake_baton, steps = stepping(meanwhile)
    fake_baton.instances.create(TENANT, draft(), "sk-a", NOON)
    steps.arm(step, moment)
    try:
        disturbed.instances.replace(EDIT, draft(B), "sk-b")
    except BatonError:
        assert fake_baton.catalog.read_many(TENANT, LlmInstance, [1]) == {}
    if steps.at is None:
        assert fake_baton.secrets.stored == {}
