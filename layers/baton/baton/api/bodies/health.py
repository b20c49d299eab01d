"""Health of the API."""

from __future__ import annotations

from typing import Literal

from baton.api.bodies.fields import WholeView
from baton.version import VERSION


class HealthView(WholeView):
    """The API is available."""

    status: Literal["ok"] = "ok"
    version: str = VERSION
