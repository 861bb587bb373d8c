"""The demo: a made-up warehouse, a simulator, two days of syncs, and a short table of what was sent. The runs are real,
in processes of their own: here the command line does them, in ``make demo`` Dagster (``dagster_defs.demo``).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from candu_sync.demo.warehouse import build, next_day
from candu_sync.errors import CanduSyncError
from candu_sync.simulator import Simulator
from candu_sync.terminal import console

# The models' windows have fixed dates, so the story has, too.
TODAY = dt.date(2026, 11, 15)
FIRST_DAY = dt.date(2026, 11, 1)
EVENTS = "events/product_events"
KEY = "simulator-key"

# In a checkout a link to ``sql/``; in an installed package a folder.
MODELS = (Path(__file__).parent / "models").resolve()

_COLUMNS = ("rows", "added", "changed", "removed", "messages", "requests", "invalid")

# Runs all syncs for the given windows of events, with these environment variables; gives the objects of `run --json`.
Runner = Callable[[dict[str, str], list[str]], list[dict[str, Any]]]


def tell(folder: Path, runner: Runner | None = None) -> int:
    """Tell the story in a folder, which is emptied first.

    Returns:
        The exit code: 0 when both days went well.

    Raises:
        CanduSyncError: a run failed.
    """
    runner = runner or by_command_line
    out = console()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    warehouse = folder / "warehouse.duckdb"
    with Simulator(key=KEY, database=folder / "candu.db") as simulator:
        # Candu's limit is not known. Here it is one that requests do not meet.
        simulator.assume(most_messages=1_000)
        environment = settings(folder, simulator.url)
        out.print("a made-up SaaS warehouse: about 5,000 users, 200 accounts, 20,000 events over 14 days")
        build(warehouse, today=TODAY)
        first = runner(environment, _windows(FIRST_DAY, TODAY))
        _show("the first run sends everything", first)
        out.print("\na normal day passes in the warehouse: about 1 % of it changes")
        next_day(warehouse, today=TODAY)
        second = runner(environment, _windows(TODAY - dt.timedelta(days=1), TODAY + dt.timedelta(days=1)))
        _show("the second run sends what changed", second)
        stats = simulator.stats()
        out.print(f"\nCandu's stand-in holds {stats['users']:,} users, {stats['groups']:,} groups, "
                  f"{stats['events']:,} events. 'invalid' rows are wrong on purpose: candu-sync set them aside, with "
                  "the reason, and the others went on.")
    return 0


def settings(folder: Path, candu_url: str) -> dict[str, str]:
    """The variables of the demo in a folder. By each route its messages go to the simulator, whatever a person's own
    variables say."""
    return {"CANDU_API_URL": candu_url, "CANDU_API_KEY": KEY, "CANDU_RATE": "0",
            "SEGMENT_API_URL": candu_url.removesuffix("/api"), "SEGMENT_WRITE_KEY": "simulator",
            "CANDU_SQL_DIR": str(MODELS),
            "CANDU_WAREHOUSE_URL": f"duckdb:///{(folder / 'warehouse.duckdb').resolve()}",
            "CANDU_STATE_URL": str((folder / "state").resolve())}


def _windows(start: dt.date, end: dt.date) -> list[str]:
    return [(start + dt.timedelta(days=n)).isoformat() for n in range((end - start).days)]


def by_command_line(environment: dict[str, str], windows: list[str]) -> list[dict[str, Any]]:
    """Run all syncs by `candu-sync run --json`, in processes of their own."""
    from candu_sync.syncs import load_syncs

    whole = [name for name in load_syncs(MODELS).syncs if name != EVENTS]
    partitions = [word for window in windows for word in ("--partition", window)]
    return [*_json_lines(environment, whole), *_json_lines(environment, [EVENTS, *partitions])]


def _json_lines(environment: dict[str, str], words: list[str]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "candu_sync", "run", "--json", *words]
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 4):
        raise CanduSyncError(f"the demo's run ended with exit code {done.returncode}: see above")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _show(title: str, results: Iterable[dict[str, Any]]) -> None:
    """A row a sync, its partitions added up."""
    totals: dict[str, dict[str, int]] = {}
    partitions: dict[str, int] = {}
    for result in results:
        sums = totals.setdefault(result["sync"], dict.fromkeys(_COLUMNS, 0))
        partitions[result["sync"]] = partitions.get(result["sync"], 0) + (result["partition"] is not None)
        for column in _COLUMNS:
            sums[column] += result[column]
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column("sync")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for name, sums in totals.items():
        shown = f"{name} ({partitions[name]} partitions)" if partitions[name] else name
        table.add_row(shown, *(f"{sums[column]:,}" for column in _COLUMNS))
    out = console()
    out.print()
    out.print(table)
