"""The dbt package of the examples is built, for real, on tables that runs have written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from candu_sync.simulator import Simulator
from tests.support.lab import Lab

pytest.importorskip("dbt.cli.main")
pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[2] / "examples" / "dbt" / "candu_sync_report"

# One process for all commands: dbt takes seconds to load.
COMMANDS = """
import sys
from dbt.cli.main import dbtRunner
for command in (["deps"], ["build"], ["source", "freshness"]):
    result = dbtRunner().invoke(["--quiet", "--no-send-anonymous-usage-stats", *command, "--profiles-dir", "."])
    if not result.success:
        sys.exit(f"dbt {command[0]}: {result.exception or [str(found) for found in result.result]}")
"""


def project(folder: Path) -> None:
    """A dbt project that has the package, on the warehouse of the lab; its settings as the package's page has them."""
    (folder / "dbt_project.yml").write_text(
        "name: shop\nversion: '1.0'\nprofile: shop\nvars: {candu_sync_database: warehouse_report}\n")
    (folder / "packages.yml").write_text(f"packages: [{{local: {PACKAGE}}}]\n")
    (folder / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: warehouse.duckdb, "
        "attach: [{path: warehouse_report.duckdb, read_only: true}]}}}\n")


def rows(folder: Path, model: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{folder}/warehouse_report.duckdb' (read_only)")
        found: list[dict[str, Any]] = connection.sql(f"select * from main.{model}").to_arrow_table().to_pylist()
    return found


def test_the_package_builds_on_what_runs_have_written(lab: Lab, simulator: Simulator) -> None:
    lab.overrides["report_schema"] = "candu_sync"
    lab.table("people", user_id=["u1", "u2", "u3"], seats=[1, 2, 2**60])
    sync = lab.sync("users/profile", "select * from people")
    simulator.fault("refuse", status=422, user_ids=["u2"])
    lab.run(sync)
    lab.run(sync)
    project(lab.folder)
    built = subprocess.run([sys.executable, "-c", COMMANDS], cwd=lab.folder, capture_output=True, text=True,
                           timeout=300, check=False, env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
    assert built.returncode == 0, built.stdout + built.stderr
    [day] = rows(lab.folder, "candu_runs_by_day")
    assert [day[name] for name in ("sync", "runs", "succeeded", "failed", "accepted", "most_invalid", "most_refused")
            ] == ["users/profile", 2, 2, 0, 1, 1, 1]
    reasons = {row["outcome"]: (row["status"], row["reason"], row["row_count"])
               for row in rows(lab.folder, "candu_not_accepted_by_reason")}
    assert reasons["invalid"] == (None, "seats: integer beyond 2^53", 1)
    assert (reasons["refused"][0], reasons["refused"][2]) == (422, 1)
    [fresh] = rows(lab.folder, "candu_freshness")
    assert (fresh["sync"], fresh["hours_since_success"] in (0, 1)) == ("users/profile", True)
    [source] = json.loads((lab.folder / "target" / "sources.json").read_text())["results"]
    assert (source["unique_id"], source["status"]) == ("source.candu_sync_report.candu_sync.sync_runs", "pass")
