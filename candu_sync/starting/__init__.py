"""A project to begin with: the files that ``candu-sync init`` writes.

Does not know syncs, databases or Candu: it copies texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.starting.project_files import ProjectFiles as ProjectFiles
    from candu_sync.starting.project_files import dagster_configuration as dagster_configuration
    from candu_sync.starting.project_files import write_project as write_project
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "project_files": "ProjectFiles dagster_configuration write_project",
    })
