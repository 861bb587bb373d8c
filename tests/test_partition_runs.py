"""Runs of partitions and of a cursor: each partition its own snapshot; no event twice, and none forgotten."""

from __future__ import annotations

import datetime as dt
import sqlite3
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync import pipeline
from candu_sync.due import targets_of
from candu_sync.errors import UsageError
from candu_sync.operate.maintenance import baseline
from candu_sync.simulator import Simulator
from candu_sync.syncs import Partitions
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab, error_of
from tests.support.waiting import today

DAY = dt.timedelta(days=1)
NOON = dt.datetime(2026, 1, 5, 12)
SINCE = "select * from seen where loaded_at > :since"
CURSOR = "cursor: {column: loaded_at, lookback: 1 day}\nomit: [loaded_at]"


def seen(lab: Lab, rows: list[tuple[str, dt.datetime, dt.datetime]]) -> None:
    """Events: id (the user's too), when they happened, when they were loaded."""
    text, time = pa.string(), pa.timestamp("us")
    ids, happened, loaded = ([row[n] for row in rows] for n in range(3))
    lab.table("seen", pa.table({"event_id": pa.array(ids, text), "user_id": pa.array(ids, text),
                                "event": pa.array(["x"] * len(rows), text), "timestamp": pa.array(happened, time),
                                "loaded_at": pa.array(loaded, time)}))


def arrived(simulator: Simulator) -> list[str]:
    return sorted(event["user_id"] for event in simulator.events())


class TestPartitions:
    def test_each_has_its_own_snapshot(self, lab: Lab, simulator: Simulator) -> None:
        lab.table("people", user_id=["a", "b"], region=["eu", "us"], plan=["pro", "pro"])
        sync = lab.sync("users/model", "select user_id, plan from people where region = :partition",
                        "partitions: {static: [eu, us]}\nremoved: {plan: gone}\nguard: {min_rows: 0}")
        assert lab.run(sync, "eu").accepted == 1
        assert simulator.users() == {"a": {"plan": "pro"}}
        assert lab.run(sync, "us").accepted == 1
        lab.table("people", user_id=["a", "b"], region=["eu", "eu"], plan=["pro", "pro"])
        assert lab.run(sync, "eu").added == 1
        assert lab.run(sync, "us").removed == 1
        assert lab.run(sync, "eu").requests == 0

    @pytest.mark.parametrize(("spread", "key", "edges"), [
        ("daily: 2026-01-01", "2026-01-05", (dt.datetime(2026, 1, 5), dt.datetime(2026, 1, 6))),
        ("hourly: 2026-01-01", "2026-01-05-13:00", (dt.datetime(2026, 1, 5, 13), dt.datetime(2026, 1, 5, 14))),
        ("weekly: 2026-01-05", "2026-01-05", (dt.datetime(2026, 1, 5), dt.datetime(2026, 1, 12))),
        ("monthly: 2026-01-01", "2026-02-01", (dt.datetime(2026, 2, 1), dt.datetime(2026, 3, 1))),
    ])
    def test_windows_are_half_open_and_in_utc(self, lab: Lab, simulator: Simulator, spread: str, key: str,
                                              edges: tuple[dt.datetime, dt.datetime]) -> None:
        start, end = edges
        tick = dt.timedelta(microseconds=1)
        seen(lab, [(name, at, at) for name, at in (
            ("before", start - tick), ("first", start), ("last", end - tick), ("after", end))])
        sync = lab.sync("events/model", "select * exclude (loaded_at) from seen "
                        "where timestamp >= :window_start and timestamp < :window_end", f"partitions: {{{spread}}}")
        assert lab.run(sync, key).accepted == 2
        assert arrived(simulator) == ["first", "last"]

    def test_late_events_of_a_window_are_found_and_none_is_sent_twice(self, lab: Lab, simulator: Simulator) -> None:
        sync = lab.sync("events/model", "select * exclude (loaded_at) from seen where timestamp >= :window_start "
                        "and timestamp < :window_end", "partitions: {daily: 2026-01-01}")
        seen(lab, [("a", NOON, NOON)])
        lab.run(sync, "2026-01-05")
        seen(lab, [("a", NOON, NOON), ("late", NOON, NOON)])
        assert lab.run(sync, "2026-01-05").accepted == 1
        assert lab.run(sync, "2026-01-06").messages == 0
        assert arrived(simulator) == ["a", "late"]

    def test_a_window_of_a_segment_has_its_own_snapshot(self, lab: Lab, simulator: Simulator) -> None:
        def visits(plan: str) -> None:
            lab.table("visits", user_id=["a", "b", "c"], plan=[plan] * 3, region=["eu", "us", "eu"],
                      day=[dt.datetime(2026, 1, 5), dt.datetime(2026, 1, 5), dt.datetime(2026, 1, 6)])

        visits("free")
        sync = lab.sync("users/model", "select user_id, plan from visits where region = :partition "
                        "and day >= :window_start and day < :window_end",
                        "partitions: {daily: 2026-01-05, static: [eu, us]}")
        assert lab.run(sync, "2026-01-05|eu").accepted == 1
        assert simulator.users() == {"a": {"plan": "free"}}
        assert [lab.run(sync, key).accepted for key in ("2026-01-05|us", "2026-01-06|eu")] == [1, 1]
        visits("pro")
        assert lab.run(sync, "2026-01-05|us", force=True).changed == 1
        assert simulator.users() == {"a": {"plan": "free"}, "b": {"plan": "pro"}, "c": {"plan": "free"}}

    def test_dynamic_keys_come_from_their_sql(self, lab: Lab, simulator: Simulator) -> None:
        lab.table("members", user_id=["a", "b", "b"], segment=["power", "power", "at risk"])
        sync = lab.sync("users/model", "select user_id, true as in_segment from members where segment = :partition",
                        'partitions: {dynamic: segments, values: "select distinct segment from members"}')
        with lab.project() as project:
            keys = [target.partition for target in targets_of(project, sync, [])]
        assert sorted(str(key) for key in keys) == ["at risk", "power"]
        for key in keys:
            assert lab.run(sync, key).status == "succeeded"
        assert set(simulator.users()) == {"a", "b"}

    @pytest.mark.parametrize("windows", ["", "daily: 2026-01-05, "])
    def test_a_mistyped_dynamic_key_is_refused_and_leaves_nothing(self, lab: Lab, windows: str) -> None:
        day = "2026-01-05|" if windows else ""
        lab.table("members", user_id=["a", "b"], segment=["power", "at risk"])
        sync = lab.sync("users/model", "select user_id, true as in_segment from members where segment = :partition",
                        f'partitions: {{{windows}dynamic: segments, values: "select distinct segment from members"}}')
        with lab.project() as project:
            [target] = targets_of(project, sync, [f"{day}powr"])
            for act in (pipeline.run, partial(pipeline.run, force=True), pipeline.plan, baseline):
                said = error_of(act, target)
                assert said.startswith(f"users/model has no partition {day}powr; did you mean {day}power? (the model ")
            assert project.state.partitions("users/model") == []
            assert pipeline.run(*targets_of(project, sync, [f"{day}power"])).accepted == 1

    def test_a_dynamic_key_without_rows_that_something_knows_is_left_to_the_guard(self, lab: Lab) -> None:
        lab.table("members", user_id=["a"], segment=["power"])
        sync = lab.sync("users/model", "select user_id, 1 as t from members where segment = :partition",
                        """partitions: {dynamic: segments, values: "select 'power' union all select 'new'"}""")
        empty = sync.model_copy(update={"guard": sync.guard.model_copy(update={"min_rows": 0})})
        with lab.project() as project:
            assert pipeline.run(*targets_of(project, sync, ["new"])).status == "guarded"
            assert pipeline.run(*targets_of(project, empty, ["new"])).status == "succeeded"
            assert pipeline.run(*targets_of(project, sync, ["power"])).accepted == 1
            assert "has no partition else" in error_of(pipeline.run, *targets_of(project, empty, ["else"]))
        lab.query("delete from members")
        gone = sync.model_copy(update={"partitions": Partitions(dynamic="segments", values="select 'new'")})
        with lab.project() as project:
            # It has a snapshot, from before it vanished.
            assert pipeline.run(*targets_of(project, gone, ["power"])).status == "guarded"

    def test_due_windows_are_those_not_done_and_the_newest_again(self, lab: Lab) -> None:
        first = today() - 4 * DAY
        seen(lab, [])
        sync = lab.sync("events/model", "select * exclude (loaded_at) from seen where timestamp < :window_end",
                        f"partitions: {{daily: {first:%Y-%m-%d}}}")
        days = [f"{first + n * DAY:%Y-%m-%d}" for n in range(4)]
        with lab.project() as project:
            assert [target.partition for target in targets_of(project, sync, [])] == days
        lab.run(sync, days[0])
        lab.run(sync, days[3])
        with lab.project() as project:
            assert [target.partition for target in targets_of(project, sync, [])] == days[1:]

    def test_a_partition_that_does_not_exist_is_named(self, lab: Lab) -> None:
        sync = lab.sync("users/model", "select 'a' as user_id", "partitions: {static: [eu, us]}")
        with lab.project() as project:
            assert "did you mean eu?" in error_of(targets_of, project, sync, ["eur"])
        with lab.project() as project, pytest.raises(UsageError, match="has no partitions"):
            targets_of(project, lab.sync("users/other", "select 'a' as user_id"), ["eu"])


class TestCursor:
    @pytest.fixture
    def sync(self, lab: Lab) -> Sync:
        return lab.sync("events/model", SINCE, CURSOR)

    def newest(self, lab: Lab, sync: Sync) -> str | None:
        return lab.state(sync).current().newest

    def test_late_events_inside_the_lookback_are_found_and_none_is_sent_twice(
            self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        first = ("first", NOON, NOON)
        seen(lab, [first])
        assert lab.run(sync).accepted == 1
        late = ("late", NOON - 3 * DAY, NOON - DAY / 2)
        too_late = ("too late", NOON, NOON - 2 * DAY)
        seen(lab, [first, late, too_late, ("next", NOON, NOON + DAY)])
        result = lab.run(sync)
        assert (result.accepted, result.rows) == (2, 3)
        assert arrived(simulator) == ["first", "late", "next"]
        assert lab.run(sync).requests == 0

    def test_it_does_not_run_past_an_event_that_was_not_sent(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        lab.overrides |= {"batch_size": 1, "concurrency": 1}
        seen(lab, [("new", NOON, NOON), ("old", NOON + DAY, NOON - 10 * DAY)])
        simulator.fault("status", status=401, after=1, times=1)
        assert lab.run(sync).status == "failed"
        assert arrived(simulator) == ["new"]
        assert self.newest(lab, sync) == (NOON - 10 * DAY).replace(tzinfo=dt.UTC).isoformat()
        assert lab.run(sync).accepted == 1
        assert arrived(simulator) == ["new", "old"]

    def test_it_does_not_run_past_now(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        wrong = ("2099", NOON, dt.datetime(2099, 1, 1))
        seen(lab, [wrong])
        assert lab.run(sync).accepted == 1
        assert self.newest(lab, sync) is None
        today = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        seen(lab, [wrong, ("today", today, today)])
        assert lab.run(sync).accepted == 1
        assert arrived(simulator) == ["2099", "today"]

    def test_an_event_of_the_future_moves_it_nowhere(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        seen(lab, [("a", NOON, NOON)])
        lab.run(sync)
        seen(lab, [("a", NOON, NOON), ("2099", NOON, dt.datetime(2099, 1, 1))])
        lab.run(sync)
        assert self.newest(lab, sync) == NOON.replace(tzinfo=dt.UTC).isoformat()
        late = NOON + dt.timedelta(hours=1)
        seen(lab, [("a", NOON, NOON), ("late", late, late)])
        assert lab.run(sync).accepted == 1
        assert arrived(simulator) == ["2099", "a", "late"]

    def test_a_run_without_new_events_leaves_it_where_it_was(self, lab: Lab, sync: Sync) -> None:
        seen(lab, [("a", NOON, NOON)])
        lab.run(sync)
        before = self.newest(lab, sync)
        seen(lab, [])
        lab.run(sync)
        assert self.newest(lab, sync) == before == NOON.replace(tzinfo=dt.UTC).isoformat()

    def test_an_event_that_candu_refused_does_not_hold_it_for_ever(self, lab: Lab, simulator: Simulator,
                                                                  sync: Sync) -> None:
        simulator.fault("refuse", user_ids=["bad"], status=422)
        seen(lab, [("bad", NOON, NOON), ("good", NOON, NOON + DAY)])
        lab.run(sync)
        seen(lab, [("bad", NOON, NOON), ("good", NOON, NOON + DAY), ("next", NOON, NOON + 2 * DAY)])
        lab.run(sync)
        assert self.newest(lab, sync) == (NOON + 2 * DAY).replace(tzinfo=dt.UTC).isoformat()
        assert [row["key"] for row in lab.rejected(sync)] == ["bad"]

    def test_text_of_sqlite_works_as_a_cursor(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        path = lab.folder / "warehouse.sqlite"
        lab.overrides["warehouse_url"] = f"sqlite:///{path}"
        with sqlite3.connect(path) as connection:
            connection.execute("create table seen (event_id, user_id, event, timestamp, loaded_at)")
            for day in range(3):
                at = str(NOON + day * DAY)
                connection.execute("insert into seen values (?, ?, 'x', ?, ?)", (day, f"u{day}", at, at))
        connection.close()
        assert lab.run(sync).accepted == 3
        assert self.newest(lab, sync) == (NOON + 2 * DAY).replace(tzinfo=dt.UTC).isoformat()
        assert lab.run(sync).rows == 1
        assert arrived(simulator) == ["u0", "u1", "u2"]


@settings(max_examples=5)
@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4), min_size=2, max_size=4))
def test_events_that_arrive_within_the_lookback_are_each_sent_once(
        running_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory,
        days: list[list[tuple[int, int]]]) -> None:
    """Day after day events are loaded, up to 20 hours late by their loading time."""
    running_simulator.reset()
    lab = Lab(Path(tmp_path_factory.mktemp("lab")), running_simulator)
    sync = lab.sync("events/model", SINCE, CURSOR)
    rows: list[tuple[str, dt.datetime, dt.datetime]] = []
    for day, batch in enumerate(days):
        for number, (happened, late) in enumerate(batch):
            at = NOON + day * DAY - dt.timedelta(hours=late)
            rows.append((f"{day}/{number}", at - dt.timedelta(hours=happened), at))
        seen(lab, rows)
        lab.run(sync)
    assert arrived(running_simulator) == sorted(row[0] for row in rows)

