"""What ``dg scaffold defs`` writes: the component's YAML and a first model next to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dagster import Scaffolder, ScaffoldRequest
from dagster.components.component_scaffolding import scaffold_component

_MODEL = """\
-- One row a user. Each column other than user_id is a trait, named as the column.
select user_id, email, plan
from dim_users
"""


class OneSync(Scaffolder[Any]):
    """defs.yaml and the model that it names. Both have the folder's name."""

    def scaffold(self, request: ScaffoldRequest[Any]) -> None:
        """Write the files; those that are there are kept."""
        folder = _folder(request)
        name = re.sub(r"[^A-Za-z0-9_]", "_", folder.name)
        scaffold_component(request, {"name": f"users/{name}", "sql": f"{name}.sql"})
        _write(folder / f"{name}.sql")


class SyncFolder(Scaffolder[Any]):
    """defs.yaml and a folder of models with one in it."""

    def scaffold(self, request: ScaffoldRequest[Any]) -> None:
        """Write the files; those that are there are kept."""
        scaffold_component(request, {"path": "sql"})
        _write(_folder(request) / "sql" / "users" / "profile.sql")


def _folder(request: ScaffoldRequest[Any]) -> Path:
    """With --append, the target is the YAML file itself."""
    return request.target_path.parent if request.append else request.target_path


def _write(path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_MODEL)
