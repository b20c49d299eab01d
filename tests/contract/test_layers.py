"""The layers as `sam build` makes them: compiled, complete without this environment's packages, and reproducible."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import marshal
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

from local import deployment
from local.emulator import Emulator, link_runtime_packages
from tests.support import template
from tests.support.aws import KNOWN

MAX_UNZIPPED_BYTES = 250_000_000
"""Of a function with its layers: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

UNCHECKED_HASH = 0b01
"""The flags of a compiled file that is valid whatever its source contains: https://peps.python.org/pep-0552/"""

INSTALLED = sysconfig.get_path("purelib")

USES = f"""
for entry in list(vars(wiring).values()):
    if hasattr(entry, "__wrapped__"):
        entry()
jsonschema.validate({{}}, {{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}})
requests.Request("GET", "https://b\u00fccher.example/").prepare()
yaml.CSafeLoader
from baton.api.openapi import page as documentation
for asset in documentation.ASSETS:
    documentation.asset(asset)
files = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
assert not [file for file in files if file.startswith({INSTALLED!r})], files
"""
"""Creates all objects of Baton, and uses what the packages load late; nothing is from this virtual environment."""

MAKE = shutil.which("make") or "make"
SOURCES = template.ROOT / "layers"
FUNCTIONS = sorted(template.function_names())


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a build, with the cache that the local stack uses."""
    home = tmp_path_factory.mktemp("build")
    (home / "tmp").mkdir()
    with deployment.build_lock():
        deployment.sam("build", deployment.build_options(home / "build"), Emulator(home, 1), home)
    return home / "build"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the Lambda runtime."""
    folder = tmp_path_factory.mktemp("packages") / "runtime"
    link_runtime_packages(folder)
    return folder


def test_every_module_has_a_compiled_file_that_is_used_without_a_look_at_the_source(build: Path) -> None:
    sources = [path for layer in deployment.layer_paths(build) for path in layer.rglob("*.py")]
    assert len(sources) > 500
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert compiled[:4] == importlib.util.MAGIC_NUMBER, source
        assert int.from_bytes(compiled[4:8], "little") == UNCHECKED_HASH, source
        assert compiled[8:16] == importlib.util.source_hash(source.read_bytes()), source


def test_a_traceback_names_the_place_on_aws(build: Path) -> None:
    source = deployment.layer_paths(build)[0] / "baton" / "version.py"
    code = marshal.loads(Path(importlib.util.cache_from_source(str(source))).read_bytes()[16:])  # noqa: S302 - our own
    assert code.co_filename == "/opt/python/baton/version.py"


def test_a_function_loads_the_compiled_files_and_not_the_sources(build: Path, runtime: Path, tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(path, tmp_path / path.parent.name)) for path in deployment.layer_paths(build)]
    for source in (path for copy in copies for path in copy.rglob("*.py")):
        source.write_text("raise SystemExit('compiled again')")
    run("import app", "execute_payload", [*copies, runtime])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_needs_only_its_layers_and_the_packages_of_the_runtime(
    function: str, build: Path, runtime: Path
) -> None:
    """Every import of Baton works, also those inside functions, and every client can be created."""
    statements = ["import app, inspect, sys", *imports_of_baton(), *(f"boto3.client({name!r})" for name in services())]
    run("\n".join([*statements, USES]), function, [*deployment.layer_paths(build), runtime])


def test_no_import_of_baton_leads_to_what_was_removed(build: Path) -> None:
    baton, dependencies = deployment.layer_paths(build)
    packages = [path.parent.name for path in dependencies.glob("*/__init__.py") if path.parent.name != "_yaml"]
    graph = grimp.build_graph("baton", *packages, cache_dir=None, exclude_type_checking_imports=True)
    removed = {name for name in graph.modules if not any(has(layer, name) for layer in (baton, dependencies))}
    assert any(name.startswith("aws_lambda_powertools.utilities.parser") for name in removed)
    assert reached(graph, "baton") & removed == set()


def test_what_no_function_loads_is_not_in_a_layer(build: Path) -> None:
    baton, dependencies = deployment.layer_paths(build)
    files = list(files_of(dependencies))
    assert {Path(name).suffix for name in files} <= {".py", ".pyc", ".so", ".json", ".pem", ".txt", ".js", ".css", ""}
    assert not [name for name in files if "/tests/" in name or ".dist-info/" in name]
    size = sum((layer / name).stat().st_size for layer in (baton, dependencies) for name in files_of(layer))
    assert size < MAX_UNZIPPED_BYTES / 2


@pytest.mark.parametrize("layer", ["BatonLayer", "DependenciesLayer"])
def test_a_build_for_another_architecture_makes_the_same_files(layer: str, build: Path, tmp_path: Path) -> None:
    """In another folder, with another seed of hashes. Only extensions differ, which are for that architecture."""
    other = {"x86_64": "arm64", "arm64": "x86_64"}[deployment.architecture()]
    resource = template.deployed({"Architecture": other})[layer]
    source = template.ROOT / resource["Properties"]["ContentUri"]
    makefile = template.ROOT / resource["Metadata"].get("ContextPath", source) / "Makefile"
    copy = shutil.copytree(source, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / "target"
    subprocess.run(
        [MAKE, "--silent", "--makefile", str(makefile), f"build-{layer}"],
        cwd=copy,
        env=os.environ | {"ARTIFACTS_DIR": str(target), "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"},
        check=True,
    )
    assert without_extensions(files_of(target)) == without_extensions(files_of(build / layer))
    machines = {path.name.split("-")[2] for path in target.rglob("*.so")}
    assert machines == ({{"arm64": "aarch64"}.get(other, other)} if layer == "DependenciesLayer" else set())


def files_of(folder: Path) -> dict[str, str]:
    """The hash of each file."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def without_extensions(files: dict[str, str]) -> dict[str, str]:
    return {name: content for name, content in files.items() if not name.endswith(".so")}


def run(script: str, function: str, path: list[Path]) -> None:
    """Run a script as the function would: its folder, its layers and the runtime's packages are its whole path."""
    entries = [str(template.ROOT / "functions" / function), *map(str, path)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {entries!r}\n{script}"],
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@cache
def variables() -> dict[str, str]:
    """Those of all functions: their values do not matter here."""
    credentials = {"AWS_DEFAULT_REGION": "local", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return credentials | {
        name: value for each in FUNCTIONS for name, value in template.environment(each, KNOWN).items()
    }


@cache
def trees() -> list[ast.Module]:
    return [ast.parse(path.read_text()) for path in sorted((SOURCES / "baton").rglob("*.py"))]


def imports_of_baton() -> list[str]:
    """All its import statements, those inside functions included and those for type checking excluded."""
    found = {
        ast.unparse(node) for tree in trees() for node in nodes(tree) if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return sorted(found - {"from __future__ import annotations"})


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node)


def services() -> set[str]:
    """The services of all clients that Baton creates."""
    found = {name for tree in trees() for name in re.findall(r"boto3\.client\('([\w-]+)'", ast.unparse(tree))}
    assert len(found) >= 5
    return found


def has(layer: Path, module: str) -> bool:
    name = module.replace(".", "/")
    return any(found for suffix in (".py", "/__init__.py", ".*.so") for found in layer.glob(f"{name}{suffix}"))


def reached(graph: grimp.ImportGraph, package: str) -> set[str]:
    """The modules that the package imports, directly or not; a module's package is imported before it."""
    found: set[str] = set()
    pending = {package, *graph.find_descendants(package)}
    while pending:
        module = pending.pop()
        found.add(module)
        parent = module.rpartition(".")[0]
        imported = graph.find_modules_directly_imported_by(module) if module in graph.modules else set()
        pending |= ({parent} - {""} | imported) - found
    return found
