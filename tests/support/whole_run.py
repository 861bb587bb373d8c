"""All that a run says, sends and writes, to compare two ways of doing it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from candu_sync import pipeline
from candu_sync.arrow_rows import read_table
from candu_sync.errors import ModelError
from candu_sync.simulator import Simulator
from candu_sync.state import State
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab

# Of these no two runs have the same: times, and what is counted from them.
TIMES = {"refresh", "refreshed", "at", "seconds", "since", "succeeded_at", "good_before", "heartbeat", "started",
         "refused_at"}

# What differs with the compression, and the files that a few rows do not have.
FORMS = {"bytes", "sha256", "name", "base_index", "delta_index", "salt"}

# Columns of a file that is both a change set and a base, which the other one does not have.
OF_BASES, OF_CHANGES = {"gone", "doubt"}, re.compile(r"op|c\d+|message")


def each_way(lab: Lab, sync: Sync, simulator: Simulator, tables: Sequence[pa.Table],
             ways: Sequence[Callable[[], AbstractContextManager[None]]]) -> list[list[dict[str, Any]]]:
    """A run of the sync for each table ``rows`` of the warehouse, in each way from an empty state. ``bad`` is refused.
    """
    # All begin with one state's id.
    empty, there = lab.folder / "empty", Path(lab.overrides["state_url"])
    State(str(there))
    shutil.copytree(there, empty)
    found = []
    for way in ways:
        shutil.rmtree(there)
        shutil.copytree(empty, there)
        simulator.reset()
        simulator.clear_faults()
        simulator.fault("refuse", user_ids=["bad"], status=422)
        with way():
            found.append([everything(lab, sync, simulator, table, number) for number, table in enumerate(tables)])
    return found


def everything(lab: Lab, sync: Sync, simulator: Simulator, rows: pa.Table, number: int) -> dict[str, Any]:
    """What the plan and the run of some rows say, send and write."""
    lab.table("rows", rows)
    with pytest.MonkeyPatch.context() as patch, lab.project() as project:
        patch.setattr(pipeline, "new_run_id", lambda: f"20261101T06000{number}-1a2b3c4d")
        target = Target(project, sync)
        there = Path(lab.overrides["state_url"])
        try:
            planned = pipeline.plan(target) if number == 0 else None
            staged = files(there)
            result = pipeline.run(target, force=True)
        except ModelError as error:
            return {"error": str(error), "state": files(there)}
        return {"plan": bare(planned.body()) if planned else None, "staged": staged,
                "result": bare(result.to_json()), "state": files(there),
                "messages": sorted((message["message_id"], message["payload"]) for message in simulator.messages())}


def differences(one: Any, other: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two results differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {*one, *other}:
            yield from differences(one.get(name), other.get(name), f"{at}/{name}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{at}/{number}")
    elif one != other:
        yield at, one, other


def files(folder: Path) -> dict[str, Any]:
    """The files of a state, with what is in them, except row indexes. The digests in their names are those of one form
    of a file."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*") if path.is_file()}
    found = {re.sub(r"-[0-9a-f]{16}\.", ".", name): content(path) for name, path in there.items()
             if not name.startswith(("tmp/", "destination.json")) and "_index" not in name}
    assert "format.json" in found
    return found


def content(path: Path) -> Any:
    if path.suffix == ".json":
        return bare(json.loads(path.read_text()))
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        return table.schema, table.drop_columns(["at"]).to_pylist()
    if path.suffix == ".arrow":
        table = of_one_form(read_table(path), path.name)
        return table.schema, table.schema.metadata, sorted(map(repr, bare(table.to_pylist())))
    return path.suffix


def of_one_form(table: pa.Table, name: str) -> pa.Table:
    """The table without the columns that the file need not have."""
    if name == "changes.arrow":
        return table.select([column for column in table.column_names if column not in OF_BASES])
    if not name.startswith("base-") or "gone" not in table.column_names:
        return table
    fixed = [column for column in ("key", "gone", "doubt", "user_id", "group_id") if column in table.column_names]
    return table.select([*fixed, *(column for column in table.column_names
                                   if column not in fixed and not OF_CHANGES.fullmatch(column))])


def bare(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: bare(value) for name, value in body.items() if name not in TIMES | FORMS}
    return [bare(value) for value in body] if isinstance(body, list) else body
