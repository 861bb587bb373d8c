"""What a diff reads of a snapshot: nothing when nothing changed, else only the rows that nothing matched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from candu_sync.changes.summary import Summary
from candu_sync.diff import prefilter
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The files of snapshots that plans read, with the number of their rows that they took."""
    found: list[tuple[str, int]] = []
    chosen = prefilter._chosen

    def noted(path: Path, take: prefilter.Mask, matched: prefilter.Mask) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        found.append((path.name.split("-")[0], int(take.sum())))
        return chosen(path, take, matched)

    monkeypatch.setattr(prefilter, "_chosen", noted)
    return found


def people(lab: Lab, count: int, plan: str = "'pro'") -> Sync:
    lab.query(f"create or replace table people as select 'u' || i as user_id, {plan} as plan from range({count}) t(i)")
    return lab.sync("users/model", "select * from people", "guard: {min_rows: 0, max_changed: null, max_removed: null}")


def plan(lab: Lab, sync: Sync) -> Summary:
    return lab.plan(sync).summary


def test_nothing_changed_reads_nothing(lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    lab.run(people(lab, 1000))
    found = plan(lab, people(lab, 1000))
    assert (found.rows, found.unchanged, found.snapshot_rows, found.messages) == (1000, 1000, 1000, 0)
    assert read == []


def test_new_rows_read_nothing_of_the_snapshot(lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    lab.run(people(lab, 1000))
    found = plan(lab, people(lab, 1010))
    assert (found.rows, found.added, found.unchanged) == (1010, 10, 1000)
    assert read == []


def test_only_the_rows_that_changed_or_left_are_read(
        lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    lab.run(people(lab, 1000))
    found = plan(lab, people(lab, 990, "if(i < 20, 'free', 'pro')"))
    assert (found.changed, found.removed, found.unchanged) == (20, 10, 970)
    assert read == [("base", 30)]


def test_a_change_that_was_sent_is_in_the_delta(lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    lab.run(people(lab, 1000))
    lab.run(people(lab, 1000, "if(i < 20, 'free', 'pro')"))
    read.clear()
    assert plan(lab, people(lab, 1000, "if(i < 20, 'free', 'pro')")).unchanged == 1000
    assert read == []
    assert plan(lab, people(lab, 1000, "if(i < 10, 'free', 'pro')")).changed == 10
    # Twenty rows of the base are left out: the delta has later rows of their keys.
    assert read == [("base", 20), ("delta", 10)]


def test_an_unchanged_row_and_another_of_its_key_are_both_set_aside(
        lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    sync = people(lab, 100)
    lab.run(sync)
    lab.query("insert into people values ('u7', 'free')")
    found = plan(lab, sync)
    assert found.reasons == {"duplicate key": 2}
    assert (found.rows, found.removed, found.unchanged, found.messages) == (101, 0, 99, 0)


def test_equal_rows_count_once(lab: Lab, simulator: Simulator) -> None:
    sync = people(lab, 100)
    lab.run(sync)
    lab.query("insert into people select * from people")
    found = plan(lab, sync)
    assert (found.rows, found.unchanged, found.invalid) == (100, 100, 0)


def test_of_a_group_in_which_anything_changed_all_rows_are_seen(
        lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    lab.query("create table members as select 'g' || i % 10 as group_id, 'u' || i as user_id, 'pro' as plan "
              "from range(100) t(i)")
    sync = lab.sync("groups/model", "select * from members", "removed: {left: true}\nguard: {max_removed: null}")
    lab.run(sync)
    lab.query("update members set plan = 'free' where user_id = 'u13'")
    found = plan(lab, sync)
    # Nine rows of g3 say pro, one says free.
    assert found.reasons == {"group rows disagree on plan": 10}
    lab.query("update members set plan = 'pro'")
    lab.query("delete from members where user_id = 'u13'")
    found = plan(lab, sync)
    # The group is still there, so its leaving is not sent.
    assert (found.removed, found.messages, found.unchanged) == (1, 0, 99)


def test_a_column_that_comes_or_goes(lab: Lab, simulator: Simulator) -> None:
    sync = people(lab, 100)
    lab.run(sync)
    lab.query("alter table people add column seats integer")
    assert plan(lab, sync).unchanged == 100
    lab.query("update people set seats = 5 where user_id = 'u1'")
    assert plan(lab, sync).traits == {"seats": 1}
    lab.run(sync)
    lab.query("alter table people drop column seats")
    found = plan(lab, sync)
    assert (found.unchanged, found.gone_traits) == (100, ["seats"])
    lab.query("alter table people drop column plan")
    assert plan(lab, sync).unchanged == 100


def test_an_index_by_another_version_of_the_engine_is_made_again(
        lab: Lab, simulator: Simulator, read: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    sync = people(lab, 100)
    lab.run(sync)
    monkeypatch.setattr("candu_sync.snapshot.row_index.FUNCTION", "duckdb 99 hash")
    assert plan(lab, sync).unchanged == 100
    assert read == []
    found = plan(lab, people(lab, 100, "if(i < 3, 'free', 'pro')"))
    assert (found.changed, found.unchanged) == (3, 97)
    assert lab.run(sync).accepted == 3
    assert lab.run(sync).requests == 0


def test_events_that_were_sent_are_passed_over(lab: Lab, simulator: Simulator, read: list[tuple[str, int]]) -> None:
    lab.query("create table rows as select 'e' || i as event_id, 'u' as user_id, 'x' as event, "
              "timestamp '2026-11-01' as timestamp from range(100) t(i)")
    sync = lab.sync("events/model", "select * from rows")
    lab.run(sync)
    lab.query("insert into rows values ('e100', 'u', 'x', timestamp '2026-10-01')")
    found = plan(lab, sync)
    assert (found.rows, found.added, found.unchanged) == (101, 1, 100)
    assert read == []
