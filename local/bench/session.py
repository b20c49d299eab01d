"""What the measurements of one command share."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

from local.bench.target import Target, running_target


@dataclass
class Session:
    """``report`` prints what is measured now; ``resources`` are closed at the end, also after Ctrl-C."""

    report: Callable[[str], None]
    resources: ExitStack

    @cached_property
    def target(self) -> Target:
        """One stack for all measurements that a warm stack suits; started when it is first needed."""
        return self.resources.enter_context(running_target(self.report))
