"""A project of ``candu-sync init --dagster`` loads in Dagster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from candu_sync.starting import write_project


def test_its_definitions_load(tmp_path: Path) -> None:
    write_project(tmp_path / "shop", dagster=True)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                                "DAGSTER_HOME": str(tmp_path / "shop" / ".dagster_home")}
    done = subprocess.run(["dg", "check", "defs"], cwd=tmp_path / "shop", env=environment, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "All definitions loaded successfully" in done.stdout
