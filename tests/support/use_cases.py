"""Every use case on one set of fakes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from baton.domain.catalog.definitions import Block, LlmInstance, Payload, Workflow, new_definition
from baton.domain.llm.hosts import HostPolicy
from baton.domain.runs.run import Run
from baton.domain.runs.steps import Step
from baton.usecases.catalog.define import Define
from baton.usecases.catalog.define_llm_instances import DefineLlmInstances
from baton.usecases.live.follow_runs import FollowRuns
from baton.usecases.live.notify_subscribers import NotifySubscribers
from baton.usecases.live.retrying_sender import RetryingSender
from baton.usecases.live.stream_answer import StreamAnswer
from baton.usecases.llm.api_keys import ApiKeys
from baton.usecases.llm.limiter import Limiter
from baton.usecases.runs.change_run import ChangeRun
from baton.usecases.runs.execute_payload import ExecutePayload
from baton.usecases.runs.rerun import Rerun
from baton.usecases.runs.start_run import StartRun
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clients import FakeConnections, FakeWebSockets
from tests.fakes.clock import FakeClock
from tests.fakes.limits import FakeLimits
from tests.fakes.llm import FakeLlm, FakeSecrets, FakeUnsupportedSettings
from tests.fakes.metrics import RecordingMetrics
from tests.fakes.runs import FakeRuns, FakeSteps
from tests.fakes.state_machine import FakeExecutions, FakeStateMachine
from tests.support.records import AT_NOON, NOON, TENANT, block_draft, instance_draft, payload_draft, workflow_draft

BASE_URLS = {"anthropic": "https://api.anthropic.com"}


@dataclass(kw_only=True)
class FakeBaton:
    """The fakes, and the use cases on them."""

    runs: FakeRuns = field(default_factory=FakeRuns)
    catalog: FakeCatalog = field(default_factory=FakeCatalog)
    connections: FakeConnections = field(default_factory=FakeConnections)
    web_sockets: FakeWebSockets = field(default_factory=FakeWebSockets)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    unsupported_settings: FakeUnsupportedSettings = field(default_factory=FakeUnsupportedSettings)
    limits: FakeLimits = field(default_factory=FakeLimits)
    llm: FakeLlm = field(default_factory=FakeLlm)
    metrics: RecordingMetrics = field(default_factory=RecordingMetrics)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.steps = FakeSteps(self.runs)
        self.api_keys = ApiKeys(secrets=self.secrets, base_urls=BASE_URLS)
        self.start_run = StartRun(
            definitions=self.catalog,
            runs=self.runs,
            executions=self.executions,
            retention=timedelta(days=90),
            monotonic=self.clock.monotonic,
        )
        self.execute_payload = ExecutePayload(
            steps=self.steps,
            llm=self.llm,
            api_keys=self.api_keys,
            limiter=Limiter(store=self.limits, clock=self.clock, jitter=lambda bound: bound, sleep=self.clock.advance),
            stream_answer=StreamAnswer(
                steps=self.steps, connections=self.connections, clock=self.clock, monotonic=self.clock.monotonic
            ),
            metrics=self.metrics,
            clock=self.clock,
            monotonic=self.clock.monotonic,
            jitter=lambda bound: bound,
        )
        self.state_machine = FakeStateMachine(self.runs, self.execute_payload, self.clock)
        self.change_run = ChangeRun(runs=self.runs, executions=self.executions, definitions=self.catalog)
        self.rerun = Rerun(runs=self.runs, start_run=self.start_run)
        self.sender = RetryingSender(web_sockets=self.web_sockets, sleep=self.clock.advance)
        self.follow_runs = FollowRuns(connections=self.connections, runs=self.runs, sender=self.sender)
        self.notify = NotifySubscribers(
            connections=self.connections,
            sender=self.sender,
            metrics=self.metrics,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )
        self.define = Define(
            catalog=self.catalog,
            providers=frozenset({"anthropic", "openai", "simulated"}),
            unsupported_settings=self.unsupported_settings,
            host_policy=HostPolicy(),
        )
        self.instances = DefineLlmInstances(define=self.define, api_keys=self.api_keys)

    def workflow(self, *templates: str, names: Iterable[str] = (), has_api_key: bool = False) -> int:
        """Define a workflow with one payload a template, called p0, p1, … unless named; its id."""
        named = [*names, *[f"p{position}" for position in range(len(templates))][len(list(names)) :]]
        instance = self.create(LlmInstance, instance_draft(has_api_key=has_api_key))
        ids: dict[str, int] = {}
        for position, template in enumerate(templates):
            block = self.create(Block, block_draft(f"b{position}", template))
            name = named[position]
            ids.setdefault(name, 0)
            ids[name] = ids[name] or self.create(Payload, payload_draft(name, [block], instance))
        return self.create(Workflow, workflow_draft(payloads=[ids[name] for name in named]))

    def create(self, kind: Any, draft: Any) -> int:
        """Define something; its id."""
        definition = new_definition(kind, draft, self.catalog.reserve_id(TENANT, draft.kind), AT_NOON)
        self.catalog.create(TENANT, definition, self.catalog.read_ledger(TENANT))
        return int(definition.id)

    def started(self, *templates: str, **variables: Any) -> Run:
        """A running run of such a workflow, before its first payload."""
        run = self.start_run(TENANT, self.workflow(*templates), variables, NOON)
        self.state_machine.start(self.step(run))
        return self.runs.read(TENANT, run.id)

    def step(self, run: Run, position: int | None = None) -> Step:
        """The step of the payload at a position; by default the first of the attempt."""
        at = run.first_position if position is None else position
        return Step(tenant=run.tenant, run_id=run.id, attempt=run.attempt, position=at)
