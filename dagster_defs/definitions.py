"""What Dagster loads from the repository's root: the assets of every sync under ``CANDU_SQL_DIR``.

Loading needs no other setting; a run that misses one says so. A wrong file stops its own sync, and no other.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from candu_sync import load_settings
from candu_sync.errors import SettingsError
from dagster_defs.build import build_definitions


def _sql_dir() -> Path:
    """``CANDU_SQL_DIR``. Where another setting is wrong, the run that needs it says so."""
    with suppress(SettingsError):
        return load_settings().sql_dir
    return Path(os.environ.get("CANDU_SQL_DIR") or "sql")


defs = build_definitions(_sql_dir())
