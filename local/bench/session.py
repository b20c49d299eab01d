"""What the measurements of one command share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from local.bench.target import Target, running_target
from local.emulator import PROGRAM


@dataclass
class Session:
    """``report`` prints what is measured now; ``resources`` are closed at the end, also after Ctrl-C."""

    report: Callable[[str], None]
    resources: ExitStack

    @cached_property
    def target(self) -> Target:
        """One stack for all measurements that a warm stack suits; started when it is first needed."""
        return self.resources.enter_context(running_target(self.report))

    @contextmanager
    def own_target(self, emulator_program: str = PROGRAM) -> Iterator[Target]:
        """A stack that has just been started; the shared one is stopped before, so that it takes no time from this."""
        self.resources.close()
        self.__dict__.pop("target", None)
        with running_target(self.report, emulator_program) as target:
            yield target
