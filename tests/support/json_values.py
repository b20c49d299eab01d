"""Strategies for JSON values, and changes at a path inside a value."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

type JsonPath = tuple[str | int, ...]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def shaped(fields: Sequence[str], values: Sequence[object]) -> st.SearchStrategy[object]:
    """JSON values of objects with these fields, with any JSON values and these ones in them."""
    return st.recursive(
        json_values | st.sampled_from(values) if values else json_values,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(fields), inner, max_size=4),
        max_leaves=12,
    )


def paths(value: Any, path: JsonPath = ()) -> Iterator[JsonPath]:
    """The paths of a value and of all values in it."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, entry in entries:
        yield from paths(entry, (*path, name))


def value_at(value: Any, path: JsonPath) -> Any:
    for part in path:
        value = value[part]
    return value


def put(value: Any, path: JsonPath, new: Any) -> Any:
    """A copy with another value at the path."""
    if not path:
        return new
    changed = copy.deepcopy(value)
    value_at(changed, path[:-1])[path[-1]] = new
    return changed


def without(value: Any, path: JsonPath) -> Any:
    """A copy without the value at the path."""
    changed = copy.deepcopy(value)
    del value_at(changed, path[:-1])[path[-1]]
    return changed
