"""Manifests of dbt's, as small as they may be, for tests that do not run dbt itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Properties = dict[str, Any]


def model(name: str, *columns: str, package: str = "shop", **properties: Any) -> Properties:
    """A model in the warehouse's schema main; ``columns`` are those that are described."""
    version = f".v{properties['version']}" if "version" in properties else ""
    return {"unique_id": f"model.{package}.{name}{version}", "resource_type": "model", "package_name": package,
            "name": name, "relation_name": f'"warehouse"."main"."{name}"', "config": {}, "meta": {},
            "columns": {column: {"name": column} for column in columns}, **properties}


def source(source_name: str, name: str, package: str = "shop") -> Properties:
    """A source's table, in a schema of the source's name."""
    return {"unique_id": f"source.{package}.{source_name}.{name}", "resource_type": "source", "package_name": package,
            "source_name": source_name, "name": name, "relation_name": f'"warehouse"."{source_name}"."{name}"',
            "config": {}, "columns": {}}


def data_test(name: str, *models: str, **properties: Any) -> Properties:
    """A data test; generic, of its one model, unless ``properties`` say otherwise."""
    about = [f"model.shop.{model}" for model in models]
    return {"unique_id": f"test.shop.{name}", "resource_type": "test", "package_name": "shop", "name": name,
            "attached_node": about[0] if len(about) == 1 else None, "depends_on": {"nodes": about}, "columns": {},
            **properties}


def results(folder: Path, which: str = "build", at: str = "2026-11-28T08:00:00Z", **statuses: str) -> Path:
    """dbt's run_results.json. ``statuses``: ``model__dim_users="success"``, ``test__unique="pass"``."""
    path = folder / "run_results.json"
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps({"metadata": {"generated_at": at}, "args": {"which": which}, "results": [
        {"unique_id": name.replace("__", ".shop.", 1), "status": status} for name, status in statuses.items()]}))
    return path


def write(folder: Path, *properties: Properties, disabled: tuple[str, ...] = (), adapter: str = "duckdb") -> Path:
    """The manifest of a project named shop."""
    nodes = {p["unique_id"]: p for p in properties if p["resource_type"] != "source"}
    sources = {p["unique_id"]: p for p in properties if p["resource_type"] == "source"}
    path = folder / "manifest.json"
    path.write_text(json.dumps({
        "metadata": {"project_name": "shop", "adapter_type": adapter}, "nodes": nodes, "sources": sources,
        "disabled": {f"model.shop.{name}": [{"name": name}] for name in disabled}}))
    return path
