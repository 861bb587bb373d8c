"""What Dagster loads from the repository's root: the assets of every sync under ``CANDU_SQL_DIR``, and where
``CANDU_ALERTS_URL`` is set, the sensor of notices.

Loading needs no other setting. A run that misses one fails with its name. A wrong file stops only its own sync.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dagster import Definitions

from candu_sync import load_settings
from candu_sync.errors import SettingsError
from candu_sync.workspaces import chosen_workspace, prefix_of
from dagster_defs.alerts import alerts_where_set
from dagster_defs.build import build_definitions


def _sql_dir() -> Path:
    """``CANDU_SQL_DIR``. If another setting is wrong, the run that needs it fails with its name."""
    with suppress(SettingsError):
        return load_settings().sql_dir
    return Path(os.environ.get(f"{prefix_of(chosen_workspace())}SQL_DIR") or "sql")


defs = Definitions.merge(build_definitions(_sql_dir()), alerts_where_set())
