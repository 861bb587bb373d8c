"""A person who was forgotten is removed from the tables, and no report adds a row again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from candu_sync.report.turn import take_turn
from candu_sync.state import State
from tests.report.places import place_at, use
from tests.support.folder import Folder
from tests.support.whole_state import objects_with

ID = "ada-4711@example.com"
AWAY = "postgresql://nobody@127.0.0.1:9/none"


@pytest.fixture
def filled(project: Folder) -> Folder:
    """Rows of the person that were sent, that are invalid with a user's id, and with none; and others' rows."""
    project.query(f"""
        create table people as
        select unnest(['{ID}', '{ID.upper()}', '{ID}.uk', 'u2']) as user_id, 'pro' as plan, 1 as n;
        create table members as select if(user_id = '{ID}', 'g2', 'g1') as group_id, user_id,
            if(user_id = '{ID}', 1152921504606846976, 1) as seats from people""")
    project.model("users/profile", "select * from people", "history: values")
    project.model("groups/accounts", "select * from members", "history: values")
    return project


@pytest.mark.parametrize("dialect", ["duckdb", "mysql"])
def test_the_person_is_in_no_row_and_no_sentence(filled: Folder, dialect: str, request: pytest.FixtureRequest,
                                                tmp_path: Path) -> None:
    url = request.getfixturevalue("mariadb_url") if dialect == "mysql" else f"duckdb:///{tmp_path}/report.duckdb"
    place = place_at(dialect, url)
    use(filled, place)
    filled.cli("run", "--all")
    place.change(f"update {{s}}sync_runs set error = 'the key {ID} appears twice' where sync = 'users/profile'")
    before = place.rows
    mine = [row for row in before if ID in (row["user_id"], row["row_key"]) or row["row_key"] == f"g2|{ID}"]
    assert {row["outcome"] for row in mine} == {"accepted", "invalid"}
    ended = filled.cli("forget", ID, "--json")
    assert ended.code == 0, ended.err
    assert place.rows == [row for row in before if row not in mine]
    assert [run["error"] for run in place.runs if run["error"]] == ["the key … appears twice"]
    removed = {row["sync"]: row["count"] for row in ended.row["removed"] if row["where"] == "report tables"}
    assert removed == {"users/profile": 1, "groups/accounts": 1}
    certificate = json.loads(Path(ended.row["certificate"]).read_text())
    assert certificate["report_tables"] == [place.schema]
    assert certificate["removed"]["report tables"] == 2
    filled.query("update people set n = 9")
    place.change("delete from {s}sync_runs")
    filled.cli("run", "users/profile")
    assert len(place.rows) == len(before) - len(mine) + 3
    assert not [row for row in place.rows if ID in (row["user_id"], row["row_key"])]


def test_tables_that_cannot_be_reached_leave_it_unfinished(filled: Folder, tmp_path: Path) -> None:
    place = place_at("duckdb", f"duckdb:///{tmp_path}/report.duckdb")
    use(filled, place)
    filled.cli("run", "--all")
    filled.overrides["report_url"] = AWAY
    ended = filled.cli("forget", ID, "--json")
    assert (ended.code, ended.row["certificate"]) == (1, None)
    assert "the report tables still have what they had of the person: cannot connect" in ended.err
    assert "run `candu-sync forget USER_ID` once more" in filled.cli("status").err
    filled.overrides["report_url"] = place.url
    with take_turn(State(filled.settings.state_url), "report") as turn:
        busy = filled.cli("forget", ID)
        turn.release()
    assert (busy.code, "has claimed the report tables since" in busy.err) == (1, True)
    assert filled.cli("forget", ID).code == 0
    assert not [row for row in place.rows if row["user_id"] == ID]


def test_a_run_that_waits_has_nothing_of_the_person(filled: Folder, tmp_path: Path) -> None:
    place = place_at("duckdb", f"duckdb:///{tmp_path}/report.duckdb")
    filled.overrides |= {"report_schema": place.schema, "report_url": AWAY}
    filled.cli("run", "users/profile")
    store = State(filled.settings.state_url).store
    [waiting] = store.list("report/runs/")
    body = json.loads(store.get(waiting) or b"")
    body["result"]["error"] = f"the key {ID} appears twice"
    store.put(waiting, json.dumps(body).encode())
    use(filled, place)
    assert filled.cli("forget", ID).code == 0
    assert objects_with(filled.settings.state_url, ID + '"') == []
    assert objects_with(filled.settings.state_url, f"{ID} ") == []
    filled.cli("run", "users/profile")
    assert [row["user_id"] for row in place.rows if row["user_id"] == ID] == []
    assert [run["error"] for run in place.runs] == ["the key … appears twice", None]
