"""Data warehouse to Candu: SQL models, diffed against what Candu accepted, pushed as identify, group and track.

The public names. Each is loaded when it is first used, so that `--help` loads no database.

Example:
    >>> from candu_sync import Project, Target, load_settings, load_syncs, run
    >>> with Project(load_settings()) as project:
    ...     sync = load_syncs(project.settings.sql_dir).syncs["users/profile"]
    ...     run(Target(project, sync)).accepted
    2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.changes import ChangeSet as ChangeSet
    from candu_sync.changes import Summary as Summary
    from candu_sync.commit import RunResult as RunResult
    from candu_sync.dbt import load_catalog as load_catalog
    from candu_sync.endings import note_stopped as note_stopped
    from candu_sync.errors import CanduSyncError as CanduSyncError
    from candu_sync.pipeline import guard as guard
    from candu_sync.pipeline import plan as plan
    from candu_sync.pipeline import push as push
    from candu_sync.pipeline import push_staged as push_staged
    from candu_sync.pipeline import run as run
    from candu_sync.project import Project as Project
    from candu_sync.settings import Settings as Settings
    from candu_sync.settings import load_settings as load_settings
    from candu_sync.syncs import Catalog as Catalog
    from candu_sync.syncs import Sync as Sync
    from candu_sync.syncs import load_syncs as load_syncs
    from candu_sync.target import Target as Target
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "changes": "ChangeSet Summary",
        "commit": "RunResult",
        "dbt": "load_catalog",
        "endings": "note_stopped",
        "errors": "CanduSyncError",
        "pipeline": "guard plan push push_staged run",
        "project": "Project",
        "settings": "Settings load_settings",
        "syncs": "Catalog Sync load_syncs",
        "target": "Target",
    })
