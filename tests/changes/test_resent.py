"""Events that Candu has are not sent again when what they are known by has changed: the run stops, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from candu_sync.commit import commit
from candu_sync.errors import UsageError
from candu_sync.operate import OtherSyncs, findings_of
from candu_sync.operate.maintenance import baseline, rename
from candu_sync.pipeline import push, run
from candu_sync.simulator import Simulator
from candu_sync.state import Outcome
from candu_sync.syncs.sync import Sync, load_syncs
from candu_sync.target import Target
from tests.support.lab import Lab

NAME = "events/model"
DAILY = "partitions: {daily: 2026-11-01}"
TIMED = "key: [user_id, event, timestamp]\n"


def happened(lab: Lab, yaml: str = "", *, id_: str = "'e' || i", rows: str = "range(50)", name: str = NAME,
             more: str = "") -> Sync:
    """Events, one a minute from the start of November."""
    if not lab.warehouse.exists():
        lab.query("create table nothing (a int)")
    return lab.sync(name, f"""select {id_} as event_id, 'x' || i as other, 'u' as user_id, 'seen' as event,
        timestamp '2026-11-01' + to_minutes(i::int) as "timestamp" from {rows} t(i){more}""", yaml)


def stopped(lab: Lab, simulator: Simulator, sync: Sync, partition: str | None = None) -> str:
    """What the guard said; nothing was sent."""
    before = len(simulator.requests())
    result = lab.run(sync, partition)
    assert (result.status, result.exit_code, result.accepted) == ("guarded", 3, 0)
    assert len(simulator.requests()) == before
    return str(result.error)


def taken_as_sent(lab: Lab, sync: Sync, partition: str | None = None, **options: Any) -> None:
    with lab.project() as project:
        baseline(Target(project, sync, partition), **options)


class TestTheKey:
    def test_another_column(self, lab: Lab, simulator: Simulator) -> None:
        assert lab.run(happened(lab)).accepted == 50
        # Twenty more have happened since.
        sync = happened(lab, "key: other", rows="range(70)")
        said = stopped(lab, simulator, sync)
        assert ("the key was event_id and is other now: 50 events to send are not newer than those that were sent, and "
                "Candu probably has them already") in said
        assert "run `candu-sync baseline events/model --not-newer`, which takes them as sent" in said
        assert "--force" in said
        taken_as_sent(lab, sync, not_newer=True)
        assert lab.run(sync).accepted == 20
        assert lab.run(sync).accepted == 0
        assert lab.plan(sync).summary.identity_changes == []

    def test_with_force_they_are_sent_once_more(self, lab: Lab) -> None:
        lab.run(happened(lab))
        sync = happened(lab, "key: other")
        assert lab.run(sync, force=True).accepted == 50
        assert lab.run(sync).messages == 0

    def test_put_back_it_is_as_before(self, lab: Lab, simulator: Simulator) -> None:
        lab.run(happened(lab))
        stopped(lab, simulator, happened(lab, "key: other"))
        assert lab.plan(happened(lab)).summary.identity_changes == []
        assert lab.run(happened(lab)).messages == 0

    def test_no_limit_no_stop(self, lab: Lab) -> None:
        lab.run(happened(lab))
        assert lab.run(happened(lab, "key: other\nguard: {max_added: null}")).accepted == 50

    def test_another_column_of_the_same_values(self, lab: Lab) -> None:
        lab.run(happened(lab))
        sync = happened(lab, "key: twin", id_="'e' || i as twin, 'e' || i")
        assert lab.run(sync).messages == 0
        assert lab.plan(sync).summary.identity_changes == []

    def test_a_run_that_died_is_recorded_by_the_key_that_it_had(self, lab: Lab, simulator: Simulator) -> None:
        """Its change set is committed by the next run, whose settings differ."""
        sync = happened(lab)
        changes = lab.plan(sync)
        other = happened(lab, "key: other")
        with lab.project() as project:
            assert push(Target(project, other), changes).accepted == 50
        assert "the key was event_id and is other now: 50 events" in stopped(lab, simulator, other)

    def test_with_a_cursor(self, lab: Lab, simulator: Simulator) -> None:
        yaml = "cursor: {column: timestamp, lookback: 20 minutes}\n"
        where = " where timestamp '2026-11-01' + to_minutes(i::int) >= :since"
        lab.run(happened(lab, yaml, more=where))
        sync = happened(lab, yaml + "key: other", more=where, rows="range(60)")
        assert "21 events to send are not newer" in stopped(lab, simulator, sync)
        taken_as_sent(lab, sync, not_newer=True)
        assert lab.run(sync).accepted == 10


class TestTheIdsExpression:
    def test_of_few_events(self, lab: Lab, simulator: Simulator) -> None:
        lab.run(happened(lab, rows="range(5)"))
        said = stopped(lab, simulator, happened(lab, id_="'f' || i", rows="range(5)"))
        assert "event_id was `'e' || i` and is `'f' || i` now: 5 events to send are not newer" in said

    def test_written_in_another_way(self, lab: Lab) -> None:
        lab.run(happened(lab))
        assert lab.run(happened(lab, id_="concat('e', i)")).messages == 0

    def test_in_one_query_of_a_union(self, lab: Lab, simulator: Simulator) -> None:
        def both(second: str) -> Sync:
            return happened(lab, more=f""" union all select {second} as event_id, 'y', 'u', 'paid',
                timestamp '2026-11-01 00:30' from range(3) t(i)""")

        lab.run(happened(lab))
        # A query more is none that changed, and its events are older than the newest that were sent.
        assert lab.run(both("'p' || i")).accepted == 3
        assert "event_id was `'p' || i` and is `'q' || i` now: 3 events" in stopped(lab, simulator, both("'q' || i"))

    def test_upstream_where_the_model_does_not_show_it(self, lab: Lab, simulator: Simulator) -> None:
        lab.query("""create table ids as select 'e' || i as event_id, 'u' as user_id, 'seen' as event,
            timestamp '2026-11-01' + to_minutes(i::int) as "timestamp" from range(200) t(i)""")
        sync = lab.sync(NAME, "select * from ids")
        assert lab.run(sync).accepted == 200
        lab.query("update ids set event_id = 'f' || event_id")
        said = stopped(lab, simulator, sync)
        assert "199 of 199 events that are older than the newest one sent are unknown (100.0%)" in said
        assert "`candu-sync baseline events/model --not-newer`" in said


class TestTheTimeZone:
    @pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Asia/Kolkata"])
    def test_with_times_in_the_key(self, lab: Lab, simulator: Simulator, zone: str) -> None:
        """West of the old zone all times move beyond the newest one that was sent."""
        lab.run(happened(lab, TIMED))
        said = stopped(lab, simulator, happened(lab, f"{TIMED}timezone: {zone}", rows="range(60)"))
        assert f"timezone was UTC and is {zone} now, which moves the times of the rows: 50 events" in said

    def test_of_an_event_at_the_beginning_of_the_calendar(self, lab: Lab, simulator: Simulator) -> None:
        first = " union all select 'far', 'y', 'u', 'seen', timestamp '0001-01-01 00:00'"
        assert lab.run(happened(lab, f"{TIMED}timezone: America/New_York", more=first)).accepted == 51
        assert "50 events to send are not newer" in stopped(lab, simulator, happened(lab, f"{TIMED}timezone: UTC"))

    def test_without_times_in_the_key(self, lab: Lab) -> None:
        lab.run(happened(lab))
        sync = happened(lab, "timezone: America/New_York")
        assert lab.run(sync).messages == 0
        assert lab.plan(sync).summary.identity_changes == []

    def test_of_windows(self, lab: Lab, simulator: Simulator) -> None:
        """The last five hours of a UTC day belong to the next day of New York's zone."""
        daily = f"{DAILY}\n"
        model = """ where timestamp '2026-11-01' + to_minutes(i::int) >= :window_start
            and timestamp '2026-11-01' + to_minutes(i::int) < :window_end"""
        rows = "range(0, 4000, 60)"
        assert lab.run(happened(lab, daily, rows=rows, more=model), "2026-11-01").accepted == 24
        moved = happened(lab, f"{daily}timezone: America/New_York", rows=rows, more=model)
        assert "timezone was UTC and is America/New_York now" in stopped(lab, simulator, moved, "2026-11-02")
        assert lab.plan(moved, "2026-11-02").summary.late == 5


class TestPartitions:
    def test_dropped(self, lab: Lab, simulator: Simulator) -> None:
        assert lab.run(happened(lab, DAILY), "2026-11-01").accepted == 50
        sync = happened(lab, rows="range(70)")
        said = stopped(lab, simulator, sync)
        assert "it had daily partitions and has no partitions now: 50 events to send are not newer" in said
        taken_as_sent(lab, sync, not_newer=True)
        assert lab.run(sync).accepted == 20

    def test_added(self, lab: Lab, simulator: Simulator) -> None:
        lab.run(happened(lab))
        sync = happened(lab, DAILY)
        said = stopped(lab, simulator, sync, "2026-11-01")
        assert "it had no partitions and has daily partitions now: 50 events" in said
        assert "`candu-sync baseline events/model --partition 2026-11-01 --not-newer`" in said

    @pytest.mark.parametrize(("before", "key", "now", "partition"), [
        ("{weekly: 2026-10-26}", "2026-10-26", "{daily: 2026-11-01}", "2026-11-01"),
        ("{monthly: 2026-11-01}", "2026-11-01", "{weekly: 2026-10-26}", "2026-10-26"),
        ("{daily: 2026-11-01}", "2026-11-01", "{hourly: 2026-11-01T00:00}", "2026-11-01-00:00"),
        ("{daily: 2026-11-01}", "2026-11-01", "{static: [a]}", "a"),
        ("{static: [a]}", "a", "{daily: 2026-11-01}", "2026-11-01"),
        ("{daily: 2026-11-01}", "2026-11-01", "{dynamic: s, values: select 'a'}", "a"),
        ("{daily: 2026-11-01}", "2026-11-01", "{daily: 2026-11-01, static: [a]}", "2026-11-01|a"),
    ])
    def test_cut_in_another_way(self, lab: Lab, simulator: Simulator, before: str, key: str, now: str,
                                partition: str) -> None:
        lab.run(happened(lab, f"partitions: {before}"), key)
        assert "50 events to send are not newer" in stopped(
            lab, simulator, happened(lab, f"partitions: {now}"), partition)

    def test_dropped_and_back_again(self, lab: Lab, simulator: Simulator) -> None:
        """What was sent in the meantime is in other partitions, and is newer than all in this one."""
        lab.run(happened(lab, rows="range(10)"))
        lab.run(happened(lab, DAILY, rows="range(10, 20)"), "2026-11-01")
        back = happened(lab, rows="range(20)")
        assert "10 events to send are not newer" in stopped(lab, simulator, back)
        taken_as_sent(lab, back, not_newer=True)
        assert lab.run(happened(lab, rows="range(25)")).accepted == 5

    def test_a_static_key_that_was_renamed(self, lab: Lab, simulator: Simulator) -> None:
        def static(keys: str, rows: str = "range(150)") -> Sync:
            return happened(lab, f"partitions: {{static: [{keys}]}}", rows=rows)

        lab.run(static("eu, us"), "eu")
        assert "149 of 149 events that are older than the newest one sent" in stopped(lab, simulator,
                                                                                     static("europe, us"), "europe")
        # One more key is no key that changed, and one of newer events neither.
        assert lab.run(static("eu, us, asia"), "asia").accepted == 150
        assert lab.run(static("us, africa", "range(500, 700)"), "africa").accepted == 200

    def test_a_partition_of_the_same_kind_goes(self, lab: Lab) -> None:
        daily = happened(lab, DAILY)
        assert [lab.run(daily, key).accepted for key in ("2026-11-02", "2026-11-01", "2026-11-03")] == [50, 50, 50]

    def test_a_day_from_before_all_that_was_sent_goes(self, lab: Lab) -> None:
        lab.run(happened(lab, rows="range(2000, 2050)"))
        assert lab.run(happened(lab, DAILY), "2026-11-01").accepted == 50


class TestNormalRuns:
    def test_late_and_new_events_go(self, lab: Lab) -> None:
        lab.run(happened(lab, id_="i", rows="range(0, 300, 2)"))
        assert lab.run(happened(lab, id_="i", rows="range(300)")).accepted == 150
        assert lab.run(happened(lab, id_="i", rows="range(2000)")).accepted == 1_700

    def test_an_event_of_the_future_makes_no_other_late(self, lab: Lab) -> None:
        future = " union all select 'far', 'y', 'u', 'seen', timestamp '2099-01-01'"
        assert lab.run(happened(lab, rows="range(200)", more=future)).accepted == 201
        sent = lab.state(happened(lab)).current().events
        assert sent is not None
        assert sent.newest == "2026-11-01T03:19:00.000000+00:00"
        assert lab.run(happened(lab, rows="range(200, 400)")).accepted == 200

    def test_a_bulk_load_of_older_events_with_a_cursor_goes(self, lab: Lab) -> None:
        """The cursor's column says that they are new."""
        yaml = "cursor: {column: loaded, lookback: 1 minute}"
        model = """select i as event_id, 'u' as user_id, 'seen' as event, {} as "timestamp", {} as loaded
            from range({}) t(i)"""
        happened(lab)
        lab.run(lab.sync(NAME, model.format("timestamp '2026-11-01 12:00'", "timestamp '2026-11-01 12:00'", 10), yaml))
        sync = lab.sync(NAME, model.format("timestamp '2026-11-01 11:00'", "timestamp '2026-11-01 13:00'", 900), yaml)
        assert lab.run(sync).accepted == 890


    def test_what_a_run_left_unsent_goes(self, lab: Lab) -> None:
        """The newest events arrive, the others fail: that does not make them events of a time that was sent."""
        sync = happened(lab, rows="range(2000)")
        changes = lab.plan(sync)
        with lab.project() as project:
            target = Target(project, sync)
            commit(target.state, target.state.current(), sync, changes, Outcome(accepted=[(1_900, 1_999)]),
                   engine=project.engine)
        assert lab.run(sync).accepted == 1_900

    def test_events_of_one_day_whose_time_is_the_day_go(self, lab: Lab) -> None:
        model = """select 'e' || i as event_id, 'u' as user_id, 'seen' as event, date '2026-11-01' as "timestamp"
            from range({}) t(i)"""
        happened(lab)
        lab.run(lab.sync(NAME, model.format(100)))
        assert lab.run(lab.sync(NAME, model.format(2_000))).accepted == 1_900


class TestUsers:
    def test_another_key_is_reported_and_goes(self, lab: Lab) -> None:
        lab.table("people", user_id=["u1", "u2"], plan=["pro", "free"])
        lab.run(lab.sync("users/model", "select * from people"))
        sync = lab.sync("users/model", "select * from people", "key: [user_id, plan]")
        with lab.project() as project:
            [found] = findings_of(Target(project, sync), lab.plan(sync), OtherSyncs(project, load_syncs(lab.sql)))
        assert found.code == "identity"
        assert found.text == (
            "the key was user_id and is user_id, plan now: 2 rows of today are unknown by that and are sent whole, "
            "which Candu merges. `candu-sync baseline users/model` takes today's rows as sent instead")
        result = lab.run(sync)
        assert (result.accepted, result.identity_changes) == (2, ["the key was user_id and is user_id, plan now"])
        assert lab.run(sync).identity_changes == []

    @pytest.mark.parametrize("kind", ["users", "groups"])
    def test_the_constants_of_removed_are_not_sent_for_the_old_key(
            self, lab: Lab, simulator: Simulator, kind: str) -> None:
        lab.table("people", group_id=["g1", "g2"], user_id=["u1", "u2"], plan=["pro", "free"])
        model, removed = "select * from people", "removed: {is_member: false}\n"
        lab.run(lab.sync(f"{kind}/model", model, removed))
        lab.run(lab.sync(f"{kind}/model", model, f"{removed}key: [{kind[:-1]}_id, plan]"))
        held = simulator.users() if kind == "users" else simulator.groups()
        assert [set(traits) & {"plan", "is_member"} for traits in held.values()] == [{"plan"}, {"plan"}]
        assert len(simulator.messages()) == 4

    def test_a_guard_that_stops_them_names_the_change(self, lab: Lab, simulator: Simulator) -> None:
        lab.table("people", user_id=[f"u{n}" for n in range(100)], plan=["pro"] * 100)
        lab.run(lab.sync("users/model", "select user_id, plan from people"))
        said = stopped(lab, simulator, lab.sync("users/model", "select 'x' || user_id as user_id, plan from people"))
        assert ("100 of 100 rows removed (100.0%), max_removed is 20.0%; user_id was `user_id` and is "
                "`'x' || user_id` now") in said

    def test_partitions_are_reported(self, lab: Lab) -> None:
        lab.table("people", user_id=["u1", "u2"], plan=["pro", "free"])
        lab.run(lab.sync("users/model", "select * from people"))
        parted = lab.sync("users/model", "select * from people", "partitions: {static: [a]}")
        assert lab.plan(parted, "a").summary.identity_changes == [
            "it had no partitions and has static partitions now"]

    def test_only_events_have_an_age(self, lab: Lab) -> None:
        lab.table("people", user_id=["u1"], plan=["pro"])
        with pytest.raises(UsageError, match="--not-newer is for events"):
            taken_as_sent(lab, lab.sync("users/model", "select * from people"), not_newer=True)


def test_renamed(lab: Lab, simulator: Simulator) -> None:
    old = happened(lab)
    lab.run(old)
    old.path.unlink()
    old.path.with_suffix(".yaml").unlink()
    new = happened(lab, name="events/other")
    with lab.project() as project:
        project.declared = frozenset(["events/other"])
        result = run(Target(project, new))
        assert (result.status, result.exit_code) == ("guarded", 3)
        assert "`candu-sync rename events/model events/other`" in str(result.error)
        rename(project, "events/model", new)
    # What the rows are known by has moved along.
    assert lab.run(new).messages == 0
    assert "the key was event_id and is other now" in stopped(
        lab, simulator, happened(lab, "key: other", name="events/other"))


def test_in_an_object_store(lab: Lab, simulator: Simulator, s3_url: str) -> None:
    lab.overrides["state_url"] = s3_url
    lab.run(happened(lab))
    assert "the key was event_id and is other now: 50 events" in stopped(lab, simulator, happened(lab, "key: other"))
    assert "50 events to send are not newer" in stopped(lab, simulator, happened(lab, DAILY), "2026-11-01")
    sync = happened(lab, DAILY, rows="range(60)")
    taken_as_sent(lab, sync, "2026-11-01", not_newer=True)
    assert lab.run(sync, "2026-11-01").accepted == 10
