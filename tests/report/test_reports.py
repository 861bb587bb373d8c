"""The tables in each database: what is in them, once, and what becomes of them when something goes wrong."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from candu_sync.history import HistoryQuery, search_history
from candu_sync.report import ROWS, RUNS
from candu_sync.simulator import Simulator
from candu_sync.syncs import Sync
from tests.report.places import Place, place_at, use
from tests.support.lab import Lab


def people(lab: Lab, yaml: str = "history: values") -> Sync:
    """A sync with two rows that are accepted, one that is refused, and one that is invalid."""
    lab.table("people", user_id=["u1", "u2", "u3", "u4"], plan=["a'b", 'c"é🙂', "refused", "d"],
              seats=[1, 2, 3, 2**60])
    return lab.sync("users/profile", "select * from people", yaml)


def ledger(lab: Lab, sync: Sync) -> list[dict[str, Any]]:
    return list(search_history([lab.state(sync)], HistoryQuery()))


def utc(value: Any) -> dt.datetime:
    found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(found, dt.datetime)
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


def as_written(rows: list[dict[str, Any]]) -> list[str]:
    """The rows of the table as ``history --json`` has them, in order."""
    return sorted(repr((row["run_id"], row["row_key"], row["user_id"], row["message_type"], row["outcome"],
                        row["status"], row["reason"], row["attempts"], utc(row["answered_at"]), row["message_id"],
                        json.loads(row["traits"]))) for row in rows)


def of_ledger(lab: Lab, sync: Sync) -> list[str]:
    return sorted(repr((row["run_id"], row["key"], row["user_id"], row["type"], row["outcome"], row["status"],
                        row["reason"], row["attempts"], utc(row["at"]), row["message_id"], row["traits"]))
                  for row in ledger(lab, sync))


def test_each_database_takes_runs_and_rows_once(lab: Lab, simulator: Simulator, place: Place) -> None:
    """The tables are made, then widened, then filled again after they were emptied; nothing is dropped."""
    use(lab, place)
    sync = people(lab)
    simulator.fault("refuse", status=422, user_ids=["u3"])
    first = lab.run(sync)
    [run] = place.runs
    assert list(run) == RUNS.names
    assert (run["run_id"], run["sync"], run["partition_key"], run["status"]) == (
        first.run_id, "users/profile", None, "succeeded")
    assert [run[name] for name in ("model_rows", "accepted", "refused", "invalid", "added", "requests")] == [
        first.rows, first.accepted, first.refused, first.invalid, first.added, first.requests]
    assert utc(run["began_at"]) <= utc(run["ended_at"]) <= utc(run["reported_at"])
    assert list(place.rows[0]) == ROWS.names
    assert as_written(place.rows) == of_ledger(lab, sync)

    for table, column in (("sync_runs", "error"), ("sync_rows", "message_id")):
        place.change(f"alter table {{s}}{table} drop column {column}")
        place.change(f"alter table {{s}}{table} add column ours integer")
    lab.query("update people set plan = 'new' where user_id = 'u1'")
    second = lab.run(sync)
    assert sorted((row["run_id"] == second.run_id, row["message_id"] is None) for row in place.rows) == [
        *[(False, True)] * 4, (True, False)]
    assert {"ours", "error"} <= set(place.runs[0])
    assert "ours" in place.rows[0]

    place.change("delete from {s}sync_runs")
    third = lab.run(sync)
    assert as_written(place.rows) == of_ledger(lab, sync)
    runs = {run["run_id"]: (run["status"], run["accepted"], run["refused"], run["invalid"]) for run in place.runs}
    assert runs == {first.run_id: (None, 2, 1, 1), second.run_id: (None, 1, 0, 0),
                    third.run_id: ("succeeded", 0, 1, 1)}


@pytest.fixture
def duck(lab: Lab) -> Place:
    """The file that a DuckDB warehouse gets without another setting."""
    lab.overrides["report_schema"] = "candu_sync"
    found = place_at("duckdb", f"duckdb:///{lab.folder}/warehouse_report.duckdb")
    found.schema = "candu_sync"
    return found


def test_a_duckdb_warehouse_gets_a_file_beside_it(lab: Lab, duck: Place) -> None:
    result = lab.run(people(lab))
    assert [run["run_id"] for run in duck.runs] == [result.run_id]


def test_rows_that_others_removed_stay_removed(lab: Lab, duck: Place) -> None:
    sync = people(lab)
    lab.run(sync)
    duck.change("delete from {s}sync_rows")
    lab.run(sync)
    assert (len(duck.runs), duck.rows) == (2, [])


def test_groups_events_partitions_and_many_traits(lab: Lab, duck: Place) -> None:
    traits = ", ".join(f"{n} as t_{n}" for n in range(70))
    lab.query(f"""create table acts as
        select 'e1' as event_id, 'u1' as user_id, 'Ordered' as event, timestamp '2026-11-01' as timestamp, {traits};
        create table members as select 'g1' as group_id, 'u1' as user_id, 'eu' as region, {traits}""")
    events = lab.sync("events/acts", "select * from acts")
    groups = lab.sync("groups/all", "select * exclude (region) from members where region = :partition",
                      "partitions: {static: [eu]}\nhistory: values")
    lab.run(events)
    lab.run(groups, "eu")
    assert [run["partition_key"] for run in duck.runs] == [None, "eu"]
    rows = {row["message_type"]: row for row in duck.rows}
    event, group = rows["track"], rows["group"]
    assert (event["event"], event["row_key"], event["user_id"], event["group_id"]) == ("Ordered", "e1", "u1", None)
    assert json.loads(event["traits"]) == {f"t_{n}": None for n in range(70)}
    assert (group["group_id"], group["user_id"], group["partition_key"], group["event"]) == ("g1", "u1", "eu", None)
    assert json.loads(group["traits"]) == {f"t_{n}": [None, n] for n in range(70)}


@pytest.mark.parametrize("mode", ["names", "none"])
def test_no_value_is_in_the_tables_unless_the_history_keeps_values(lab: Lab, duck: Place, mode: str) -> None:
    lab.overrides["report_schema"] = None
    lab.run(people(lab, "history: values"))
    lab.overrides["report_schema"] = "candu_sync"
    sync = people(lab, f"history: {mode}")
    lab.query("update people set plan = 'secret' where user_id = 'u1'")
    lab.run(sync)
    assert [run["accepted"] for run in duck.runs if run["status"]] == [1]
    said = repr(duck.rows) + repr(duck.runs)
    assert "secret" not in said
    assert 'c"é🙂' not in said
    traits = {'{"plan":null,"seats":null}', '{"plan":null}', "{}"}
    assert {row["traits"] for row in duck.rows} == (traits if mode == "names" else set())


def test_the_page_lists_the_columns_with_their_types() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    types = {"text": pa.string(), "bigint": pa.int64(), "integer": pa.int32(), "double": pa.float64(),
             "timestamp": pa.timestamp("us", "UTC")}
    for name, schema in (("sync_runs", RUNS), ("sync_rows", ROWS)):
        section = page.split(f"## `{name}`")[1].split("\n## ")[0]
        listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE)
        assert [(column, types[type_]) for column, type_ in listed] == [(field.name, field.type) for field in schema]
