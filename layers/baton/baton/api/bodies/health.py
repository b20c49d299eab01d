"""Whether the API answers."""

from __future__ import annotations

from typing import Literal

from baton.api.bodies.fields import WholeAnswer
from baton.version import VERSION


class HealthAnswer(WholeAnswer):
    """It does."""

    status: Literal["ok"] = "ok"
    version: str = VERSION
