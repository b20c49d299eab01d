"""The item of the variables that a run was started with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.domain.runs.run import Run, Variables


def variables_to_item(run: Run, variables: Variables) -> Item:
    """The variables under the run's key."""
    key = keys.variables(run.tenant, run.id)
    return to_attributes({**key, "variables": as_json(dict(variables)), "expires_at": run.expires_at})


def variables_from_item(item: Mapping[str, Any] | None) -> Variables:
    """The variables; none if there is no item."""
    return dict(from_json(from_attributes(item)["variables"])) if item else {}
