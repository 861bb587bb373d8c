"""Syncs in one run of Dagster, of which nothing changed, beside assets that do nothing; and one of many traits with the
lineage of its columns."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench.bench import Bench
from bench.builds import CURRENT, Build
from bench.lab import Lab, open_sink
from bench.many import small_syncs
from bench.process import ROOT, Failed, child, result_of, run

SYNCS = 20
TRAITS = 80

_RUN = ROOT / "bench/peers/dagster_run.py"
_FLOOR = ROOT / "bench/peers/dagster_floor.py"


def dagster_runs(bench: Bench) -> None:
    """``dagster/<syncs>``, ``dagster/floor`` and ``dagster/lineage``."""
    if bench.wants(f"dagster/{SYNCS}") or bench.wants("dagster/floor", both=False):
        _many(bench)
    if bench.wants("dagster/lineage"):
        _lineage(bench)


def _many(bench: Bench) -> None:
    syncs = 2 if bench.tiny else SYNCS
    with open_sink() as sink, ExitStack() as stack:
        calls = {}
        for build in bench.builds:
            lab = stack.enter_context(small_syncs(bench, build, syncs, sink=sink))
            lab.command("baseline", "--all")
            calls[f"{build.prefix}dagster/{SYNCS}"] = partial(_unchanged, lab, syncs)
            if build is CURRENT:
                calls["dagster/floor"] = partial(_ran, lab, syncs, "floor", _FLOOR, str(syncs))
        bench.by_turns(calls)


def _lineage(bench: Bench) -> None:
    with open_sink() as sink, ExitStack() as stack:
        calls = {}
        for build in bench.builds:
            lab = stack.enter_context(_of_many_traits(bench, build, sink))
            lab.command("baseline", "--all")
            # What one run learns, the next may know.
            _unchanged(lab, 1)
            calls[f"{build.prefix}dagster/lineage"] = partial(_with_lineage, lab)
        bench.by_turns(calls)


def _unchanged(lab: Lab, syncs: int) -> dict[str, Any]:
    """One run of Dagster over the syncs. Raises Failed."""
    return _ran(lab, syncs, "dagster", _RUN)


def _ran(lab: Lab, syncs: int, instance: str, *words: str | Path) -> dict[str, Any]:
    """A script that makes one run, with an instance that is kept from one call to the next. Raises Failed."""
    home = lab.folder / instance
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    ended = run([lab.build.python, "-P", *words], cwd=lab.folder,
                environment=lab.environment() | {"DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"})
    found = result_of(ended)
    if found["steps"] < syncs:
        raise Failed(f"{found['steps']} steps ended well, of {syncs} syncs")
    return {**found, "run_cpu_a_sync": found["run_cpu"] / syncs}


def _with_lineage(lab: Lab) -> dict[str, Any]:
    found = _unchanged(lab, 1)
    if not found["lineages"]:
        raise Failed("no lineage was asked for")
    return {**found, "lineage_ms": 1000 * found["lineage_cpu"]}


def _of_many_traits(bench: Bench, build: Build, sink: Any) -> Lab:
    """A sync of 80 traits through five CTEs, over a model of dbt's whose columns are described."""
    folder = bench.cache / "data"
    warehouse = folder / "wide.duckdb"
    if not warehouse.exists():
        child("data:wide_table", path=str(warehouse), columns=TRAITS)
    lab = Lab(bench.scratch / f"wide{len(build.prefix)}", f"duckdb:///{warehouse}", "wide", sink, build)
    columns = [f"c_{n}" for n in range(TRAITS)]
    listed = ", ".join(columns)
    steps = ["s0 as (select user_id, " + listed + " from {{ ref('wide') }})"]
    steps += [f"s{n} as (select user_id, {listed} from s{n - 1})" for n in range(1, 5)]
    lab.model(f"with {', '.join(steps)} select user_id, {listed} from s4\n")
    node = {"unique_id": "model.bench.wide", "resource_type": "model", "package_name": "bench", "name": "wide",
            "relation_name": '"wide"."main"."wide"', "config": {}, "meta": {},
            "columns": {name: {"name": name} for name in ("user_id", *columns)}}
    manifest = lab.folder / "manifest.json"
    manifest.write_text(json.dumps({"metadata": {"project_name": "bench", "adapter_type": "duckdb"},
                                    "nodes": {"model.bench.wide": node}, "sources": {}, "disabled": {}}))
    lab.more["CANDU_DBT_MANIFEST"] = str(manifest)
    return lab
