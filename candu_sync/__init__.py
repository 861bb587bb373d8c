"""Data warehouse to Candu: SQL models, diffed against what Candu accepted, pushed as identify, group and track.

The public names, from the modules that define them. They are loaded when they are first asked for: the command line
must answer `--help` without loading databases.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candu_sync.changes import ChangeSet as ChangeSet
    from candu_sync.changes import Summary as Summary
    from candu_sync.commit import RunResult as RunResult
    from candu_sync.errors import CanduSyncError as CanduSyncError
    from candu_sync.pipeline import guard as guard
    from candu_sync.pipeline import plan as plan
    from candu_sync.pipeline import push as push
    from candu_sync.pipeline import run as run
    from candu_sync.pipeline import staged as staged
    from candu_sync.project import Project as Project
    from candu_sync.settings import Settings as Settings
    from candu_sync.settings import load_settings as load_settings
    from candu_sync.syncs import Catalog as Catalog
    from candu_sync.syncs import Sync as Sync
    from candu_sync.syncs import load_syncs as load_syncs

_FROM = {
    "Catalog": "sync",
    "CanduSyncError": "errors",
    "ChangeSet": "changes",
    "Project": "project",
    "RunResult": "report",
    "Settings": "settings",
    "Summary": "changes",
    "Sync": "sync",
    "guard": "pipeline",
    "load_settings": "settings",
    "load_syncs": "sync",
    "plan": "pipeline",
    "push": "pipeline",
    "run": "pipeline",
    "staged": "pipeline",
}

__all__ = sorted(_FROM)


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module candu_sync has no attribute {name}")
    return getattr(importlib.import_module(f"candu_sync.{_FROM[name]}"), name)
