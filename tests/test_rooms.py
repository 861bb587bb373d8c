"""The rooms of the code: what each may import, and that each is entered by its face."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import candu_sync
import dagster_defs

PACKAGE = Path(candu_sync.__file__).parent

# What each room may import in addition to the modules of ``KNOW_NOTHING``, which know nothing of syncs. A room that is
# not named here may not be imported by it.
MAY_IMPORT: dict[str, set[str]] = {
    "syncs": set(),
    "dbt": {"syncs"},
    "warehouse": set(),
    "state": set(),
    "alerts": {"state"},
    "rows": {"syncs"},
    "snapshot": {"embedded", "rows", "state"},
    "diff": {"embedded", "rows", "snapshot", "state", "syncs"},
    "changes": {"diff", "embedded", "rows", "snapshot", "state", "syncs"},
    "history": {"changes", "embedded", "rows", "snapshot", "state"},
    "report": {"embedded", "history", "state", "warehouse"},
    "rate": set(),
    "delivery": {"rate"},
    "commit": {"changes", "delivery", "embedded", "history", "rows", "snapshot", "state", "syncs"},
    "forgetting": {"changes", "commit", "embedded", "history", "project", "snapshot", "state", "syncs", "target"},
    "comparison": {"changes", "diff", "due", "embedded", "forgetting", "project", "rows", "snapshot", "state", "syncs",
                   "target", "warehouse"},
    "operate": {"alerts", "changes", "commit", "dbt", "diff", "due", "embedded", "forgetting", "history", "pipeline",
                "project", "rows", "seen_ids", "shard_counts", "snapshot", "state", "syncs", "target",
                "warehouse"},
    "seen_ids": {"embedded"},
    "simulator": set(),
    "doctor": {"changes", "delivery", "project", "rows", "simulator", "state"},
    "telemetry": set(),
    "starting": set(),
    "demo": {"simulator", "syncs"},
}
KNOW_NOTHING = {"arrow_rows", "arrow_types", "errors", "later", "lazy", "local_time", "naming", "progress", "prefetch",
                "relations", "routes", "sql_text", "suggestions", "terminal", "workspaces"}
ABOVE = {"pipeline", "claimed_push", "endings", "project", "target", "due", "destinations",
         "setting_values", "cli", "__main__", "__init__"}
NEVER = {"dagster"}
HTTPX_AT_HOME = PACKAGE / "delivery" / "connection.py"


def modules(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, module and names of each import of a file, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, str(node.module), [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, []) for alias in node.names)


def ours(path: Path) -> Iterator[tuple[int, list[str], list[str]]]:
    """As ``imports``, those of the package alone; the module as parts below ``candu_sync``."""
    for line, module, names in imports(path):
        if module == "candu_sync":
            for name in names:
                below = (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
                yield line, [name] if below else [], names
        elif module.startswith("candu_sync."):
            yield line, module.split(".")[1:], names


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def faces() -> list[str]:
    return [name for name in ["", *MAY_IMPORT] if "lazy_names(" in (PACKAGE / name / "__init__.py").read_text("utf-8")]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_its_charter_allows(room: str) -> None:
    allowed = MAY_IMPORT[room] | KNOW_NOTHING | {room}
    wrong = [f"{path.relative_to(PACKAGE)}:{line} imports {'.'.join(module)}"
             for path in modules(PACKAGE / room) for line, module, _ in ours(path)
             if module and module[0] not in allowed]
    assert wrong == []


def test_every_room_has_a_charter() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == {*MAY_IMPORT, "cli"}
    for room in rooms:
        assert importlib.import_module(f"candu_sync.{room}").__doc__


def test_the_page_about_the_architecture_lists_these_rooms_and_modules() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted([*MAY_IMPORT, "cli"])
    for name in [*KNOW_NOTHING, "embedded"]:
        assert f"`{name}`" in page
    for name in ("pipeline", "claimed_push", "endings", "project", "target", "due", "destinations"):
        assert f"`{name}.py`" in page


def test_modules_that_know_nothing_import_nothing_of_ours() -> None:
    for name in KNOW_NOTHING:
        assert [module for _, module, _ in ours(PACKAGE / f"{name}.py") if module[0] not in KNOW_NOTHING] == []


def test_the_charters_have_no_circle() -> None:
    order = list(TopologicalSorter(MAY_IMPORT | {"embedded": set()}).static_order())
    assert set(order) >= set(MAY_IMPORT)


def test_a_room_is_entered_by_its_face() -> None:
    """Code outside a room imports from the room, not from its files."""
    wrong = []
    for path in [*modules(PACKAGE), *modules(Path(dagster_defs.__file__).parent)]:
        room = room_of(path) if PACKAGE in path.parents else ""
        for line, module, _ in ours(path):
            if len(module) > 1 and module[0] in faces() and module[0] != room and path.name != "__init__.py":
                wrong.append(f"{path.name}:{line} imports {'.'.join(module)}")
    assert wrong == []


@pytest.mark.parametrize("room", faces())
def test_a_face_lists_its_names_twice_alike(room: str) -> None:
    package = importlib.import_module(f"candu_sync.{room}" if room else "candu_sync")
    listed = [name for _, module, names in imports(PACKAGE / room / "__init__.py")
              if module not in ("__future__", "typing", "candu_sync.lazy") for name in names]
    assert sorted(listed) == package.__all__
    files = {module.name for module in pkgutil.iter_modules(package.__path__)}
    for name in package.__all__:
        assert name not in files, f"{room} exports {name}, and has a module of that name"
        assert getattr(package, name) is not None


def test_the_engine_knows_no_dagster_and_httpx_is_in_one_file() -> None:
    for path in modules(PACKAGE):
        for line, module, _ in imports(path):
            assert module.split(".")[0] not in NEVER, f"{path}:{line}"
            assert module.split(".")[0] != "httpx" or path == HTTPX_AT_HOME, f"{path}:{line}"


def test_dagster_defs_imports_only_rooms() -> None:
    found = {".".join(module) for path in modules(Path(dagster_defs.__file__).parent) if "demo" not in path.parts
             for _, module, _ in ours(path)}
    assert found <= {"", "alerts", "changes", "dbt", "due", "errors", "history", "naming", "operate", "progress",
                     "routes", "seen_ids", "settings", "state", "suggestions", "syncs", "workspaces"}


def every_module() -> Iterator[str]:
    for package in (candu_sync, dagster_defs):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield found.name


def test_dataclasses_of_more_than_five_fields_take_keywords_only() -> None:
    found = [value for name in every_module() for value in vars(importlib.import_module(name)).values()
             if isinstance(value, type) and is_dataclass(value) and value.__module__ == name and len(fields(value)) > 5]
    assert len(found) > 5
    assert [value for value in found if not all(field.kw_only for field in fields(value))] == []


def test_constants_stand_before_their_use() -> None:
    """A constant of a module is assigned above the first function or class that names it, unless it is a table of
    functions."""
    wrong = []
    for path in [*modules(PACKAGE), *modules(Path(dagster_defs.__file__).parent)]:
        body = ast.parse(path.read_text("utf-8")).body
        named: set[str] = set()
        functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        for node in body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                values = {name.id for name in ast.walk(node.value or node) if isinstance(name, ast.Name)}
                if values & functions:
                    continue
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                wrong += [f"{path.relative_to(PACKAGE.parent)}:{node.lineno} {target.id}" for target in targets
                          if isinstance(target, ast.Name) and target.id in named and target.id.isupper()]
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                named |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    assert wrong == []


def test_no_test_imports_from_another_test() -> None:
    folder = Path(__file__).parent
    wrong = [f"{path.relative_to(folder)}:{line}" for path in modules(folder) for line, module, _ in imports(path)
             if module.startswith("tests.") and module.split(".")[-1].startswith(("test_", "conftest"))]
    assert wrong == []
