"""A run of a few new rows works without the engine: all that it sends and writes is the same as by the engine's SQL."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as parquet
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from candu_sync import pipeline
from candu_sync.project import Target
from candu_sync.simulator import Simulator
from candu_sync.state import State
from candu_sync.syncs.sync import Sync
from tests.support.engine import by_the_engine
from tests.support.lab import Lab

KINDS: dict[str, str] = {
    "users": "select user_id, * exclude (user_id) from rows",
    "groups": "select user_id, 'g' || length(user_id) as group_id, active from rows",
    "events": "select user_id || rank as event_id, user_id, 'seen' as event, moment as timestamp, "
              "* exclude (user_id, moment) from rows where moment is not null",
}
YAML = {
    "users": ["", "nulls: omit", "{nulls: {plan: none}, removed: {member: false, score: 0}}", "preview: values",
              "{preview: none, payload: full}", "{key: [user_id, rank], removed: {member: false}}", "history: values",
              "refresh: 30 days"],
    "groups": ["", "nulls: omit"],
    "events": ["", "history: none"],
}

# "bad" is refused.
IDS = st.sampled_from(["u1", "u2", "U1", " u3", "bad", "é", "É", "x@example.com", "", "u4\t"])
ROW = st.fixed_dictionaries({
    "user_id": IDS, "rank": st.integers(0, 2),
    "plan": st.none() | st.sampled_from(["pro", 'it"s', "x\x1b\u2028", "ü" * 16_100]),
    "score": st.none() | st.sampled_from([0.1, -0.0, 1e22, 5e-324, 3.0, float("nan")]),
    "seats": st.none() | st.integers(0, 5) | st.just(2**53 + 1), "active": st.none() | st.booleans(),
    "moment": st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(2400, 1, 1))})
SCHEMA = pa.schema([("user_id", pa.string()), ("rank", pa.int64()), ("plan", pa.string()), ("score", pa.float64()),
                    ("seats", pa.int64()), ("active", pa.bool_()), ("moment", pa.timestamp("us"))])

# Of these no two runs have the same: times, and what is counted from them.
TIMES = {"refresh", "refreshed", "at", "seconds", "since", "succeeded_at", "good_before", "heartbeat", "started",
         "refused_at"}

# What differs with the compression, and the files that a few rows do not have.
FORMS = {"bytes", "sha256", "name", "base_index", "delta_index", "salt"}


@given(kind=st.sampled_from(["users", "users", "groups", "events"]), data=st.data(),
       rows=st.lists(ROW, min_size=1, max_size=6, unique_by=lambda row: row["user_id"]),
       later=st.lists(ROW, max_size=4))
# A run takes too long to look for the smallest example.
@settings(max_examples=7, phases=[Phase.generate])
def test_a_first_run_and_the_next_are_the_same(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator,
                                               kind: str, data: st.DataObject, rows: list[dict[str, Any]],
                                               later: list[dict[str, Any]]) -> None:
    lab = Lab(tmp_path_factory.mktemp("few"), simulator, batch_size=3)
    # Some rows stay as they are, others change, come or go.
    tables = [pa.Table.from_pylist(found, schema=SCHEMA) for found in (rows, rows[:3] + later, rows[:3] + later)]
    lab.table("rows", tables[0])
    sync = lab.sync(f"{kind}/model", KINDS[kind], data.draw(st.sampled_from(YAML[kind])) or "guard: {min_rows: null}")
    # Both begin with one state's id.
    empty, there = lab.folder / "empty", Path(lab.overrides["state_url"])
    State(str(there))
    shutil.copytree(there, empty)
    found = []
    for way in (by_the_engine, nullcontext):
        shutil.rmtree(there)
        shutil.copytree(empty, there)
        simulator.reset()
        simulator.clear_faults()
        simulator.fault("refuse", user_ids=["bad"], status=422)
        with way():
            found.append([everything(lab, sync, simulator, table, number) for number, table in enumerate(tables)])
    assert list(differences(*found)) == []


def everything(lab: Lab, sync: Sync, simulator: Simulator, rows: pa.Table, number: int) -> dict[str, Any]:
    """What the plan and the run of some rows say, send and write."""
    lab.table("rows", rows)
    with pytest.MonkeyPatch.context() as patch, lab.project() as project:
        patch.setattr(pipeline, "new_run_id", lambda: f"20261101T06000{number}-1a2b3c4d")
        target = Target(project, sync)
        planned = pipeline.plan(target) if number == 0 else None
        staged = files(there := Path(lab.overrides["state_url"]))
        result = pipeline.run(target, force=True)
        return {"plan": bare(planned.body()) if planned else None, "staged": staged,
                "result": bare(result.to_json()), "state": files(there),
                "messages": sorted((message["message_id"], message["payload"]) for message in simulator.messages())}


def differences(engine: Any, few: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two results differ."""
    if isinstance(engine, dict) and isinstance(few, dict):
        for name in {*engine, *few}:
            yield from differences(engine.get(name), few.get(name), f"{at}/{name}")
    elif isinstance(engine, list | tuple) and isinstance(few, list | tuple) and len(engine) == len(few):
        for number, pair in enumerate(zip(engine, few, strict=True)):
            yield from differences(*pair, f"{at}/{number}")
    elif engine != few:
        yield at, engine, few


def files(folder: Path) -> dict[str, Any]:
    """The files of a state, with what is in them. Those of few rows have no row index, and are not compressed: their
    digests, which are in the names, differ."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*") if path.is_file()}
    found = {re.sub(r"-[0-9a-f]{16}\.", ".", name): content(path) for name, path in there.items()
             if not name.startswith(("tmp/", "destination.json")) and "_index-" not in name}
    assert "format.json" in found
    return found


def content(path: Path) -> Any:
    if path.suffix == ".json":
        return bare(json.loads(path.read_text()))
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        return table.schema, table.drop_columns(["at"]).to_pylist()
    if path.suffix == ".arrow":
        with pa.OSFile(str(path)) as source:
            table = ipc.open_file(source).read_all()
        return table.schema, table.schema.metadata, sorted(map(repr, bare(table.to_pylist())))
    return path.suffix


def bare(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: bare(value) for name, value in body.items() if name not in TIMES | FORMS}
    return [bare(value) for value in body] if isinstance(body, list) else body
