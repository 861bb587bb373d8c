"""Where a sync comes from: its files, as Dagster's references to code, and its warehouse, as a kind with an icon."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from dagster import BetaWarning, CodeReferencesMetadataValue, LocalFileCodeReference

from candu_sync import Sync, load_settings
from candu_sync.errors import SettingsError
from candu_sync.workspaces import prefix_of
from dagster_defs.metadata import Metadata

_SETTINGS = (".yaml", ".yml")

# SQLAlchemy's dialects that Dagster has an icon for under another name.
_ICONS = {"mssql": "sqlserver", "awsathena": "athena"}


def warehouse_kind(workspace: str | None) -> set[str]:
    """The dialect of a workspace's ``CANDU_WAREHOUSE_URL``, like duckdb; nothing where it is not set or another setting
    is wrong."""
    return set(_kind(os.getcwd(), workspace, os.environ.get(f"{prefix_of(workspace)}WAREHOUSE_URL")))


@lru_cache(maxsize=16)
def _kind(folder: str, workspace: str | None, given: str | None) -> frozenset[str]:
    """Settings are read once for all syncs of a load, from the environment and from a file in the folder."""
    with suppress(SettingsError):
        url = load_settings(workspace or "").warehouse_url
        dialect = url.get_secret_value().partition(":")[0].partition("+")[0] if url else ""
        if re.fullmatch("[a-z0-9_]+", dialect):
            return frozenset({_ICONS.get(dialect, dialect)})
    return frozenset()


def code_version(sync: Sync) -> str:
    """Digits that change with the model and its settings: Dagster then shows that the assets are of an older version.

    A description, owners or tags make no other version, nor does the place of the files.
    """
    settings = sync.model_dump_json(exclude={"path", "node", "sql", "description", "owners", "tags", "preview",
                                             "report", "automation", "dbt", "resources"})
    return hashlib.sha256(f"{sync.sql}\0{settings}".encode()).hexdigest()[:12]


def code_references(path: Path) -> Metadata:
    """A sync's file and, if it is the model, the YAML next to it, as an asset's metadata."""
    path = path.resolve()
    beside = (path.with_suffix(suffix) for suffix in _SETTINGS)
    files = [path, *(other for other in beside if other != path and other.is_file())]
    # Each of these classes warns, once for every sync, that it is in beta; nothing else happens in this block.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)
        references = [LocalFileCodeReference(file_path=str(path), line_number=1, label=path.name) for path in files]
        value = CodeReferencesMetadataValue(code_references=list(references))
    return {"dagster/code_references": value}
