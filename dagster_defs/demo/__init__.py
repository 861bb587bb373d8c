"""The demo through Dagster: its days as real runs on a real instance, and the UI on the result."""

from __future__ import annotations

import os
from pathlib import Path

from candu_sync.starting import dagster_configuration


def dagster_home(folder: Path) -> Path:
    """The instance's folder in the demo's; made where it is missing."""
    home = (folder / "dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(dagster_configuration(), "utf-8")
    return home


def environment(folder: Path, candu: dict[str, str]) -> dict[str, str]:
    """This process's environment with the demo's settings."""
    return os.environ | candu | {"DAGSTER_HOME": str(dagster_home(folder)), "PYTHONWARNINGS": "ignore"}
