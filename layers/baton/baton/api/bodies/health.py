"""Whether the API answers."""

from __future__ import annotations

from typing import Literal

from baton.api.bodies.fields import WholeView
from baton.version import VERSION


class HealthView(WholeView):
    """It does."""

    status: Literal["ok"] = "ok"
    version: str = VERSION
