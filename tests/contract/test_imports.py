"""Imports inside the package: no cycles, those of type checking included."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def test_no_import_cycle_in_the_package() -> None:
    graph = grimp.build_graph("baton", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    assert cycle(imports) == []


def cycle(imports: Mapping[str, set[str]]) -> list[str]:
    """The modules of one cycle; none if there is no cycle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("imports", [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"a"}}])
def test_a_cycle_is_found(imports: dict[str, set[str]]) -> None:
    assert set(cycle(imports)) == set(imports)
