"""A sync is one job: what its launches, its schedule and its runs show."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dagster import (
    AssetKey,
    DefaultScheduleStatus,
    JobDefinition,
    ScheduleDefinition,
    build_schedule_context,
)
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from candu_sync.syncs.sync import Sync
from dagster_defs import run_tags
from dagster_defs.jobs import build_schedule
from dagster_defs.resources import CanduSyncResource
from tests.dagster.live import instance_of
from tests.dagster.room import CHANGES, PUSH, Room, evaluation, metadata, people

NOW = datetime(2026, 11, 15, 10, tzinfo=UTC)


def job(room: Room) -> JobDefinition:
    return room.definitions().resolve_job_def("candu__users__people")


class TestJob:
    def test_it_plans_guards_and_pushes_under_the_name_of_the_sync(self, room: Room) -> None:
        people(room, yaml="tags: {domain: growth}")
        result = job(room).execute_in_process(instance=room.instance)
        assert len(room.simulator.users()) == 3
        run = room.instance.get_run_by_id(result.run_id)
        assert run is not None
        assert (run.job_name, run.tags["candu/sync"], run.tags["domain"]) == (
            "candu__users__people", "users/people", "growth")
        assert [event.step_key for event in result.all_events if event.is_step_success] == ["users__people"]

    def test_its_launchpad_opens_with_each_field_once(self, room: Room) -> None:
        people(room)
        assert job(room).run_config == {"ops": {"users__people": {"config": {
            "force": False, "allow": [], "reason": "", "full": False, "sample": 0, "keys": [], "values": False,
            "new_key": False}}}}

    @pytest.mark.parametrize("yaml", ["", "partitions: {static: [free, pro]}"])
    def test_its_defaults_are_what_a_launch_without_configuration_has(self, room: Room, yaml: str) -> None:
        people(room)
        room.sync("users/people", "select * from people" + (" where plan = :partition" if yaml else ""), yaml)
        result = job(room).execute_in_process(instance=room.instance, partition_key="free" if yaml else None)
        assert result.success

    def test_a_run_of_the_assets_without_the_job_has_the_tag_too(self, room: Room,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
        """It is written once, whatever the number of syncs; in a run of the job not at all."""
        written: list[str] = []
        add = run_tags._add
        monkeypatch.setattr(run_tags, "_add", lambda context, tags: (written.extend(tags), add(context, tags)))
        people(room)
        room.sync("users/others", "select * from people")
        assert job(room).execute_in_process(instance=room.instance).success
        assert "candu/sync" not in written
        result = room.materialize(CHANGES, "candu/users/others_changes")
        assert written.count("candu/sync") == 1
        run = room.instance.get_run_by_id(result.run_id)
        assert run is not None
        assert sorted(run.tags["candu/sync"].split(", ")) == ["users/others", "users/people"]


class TestLaunch:
    def test_a_sample_sends_so_many_and_the_next_run_the_rest(self, room: Room) -> None:
        people(room)
        assert metadata(room.materialize(CHANGES, PUSH, sample=1), PUSH)["accepted"] == 1
        assert metadata(room.materialize(CHANGES, PUSH), PUSH)["accepted"] == 2

    def test_only_the_rows_with_these_keys_are_sent(self, room: Room) -> None:
        people(room)
        assert room.materialize(CHANGES, PUSH, keys=["u1"]).success
        assert set(room.simulator.users()) == {"u1"}

    def test_a_run_of_some_keys_says_so_and_forgets_no_row_that_was_set_aside(self, room: Room) -> None:
        people(room)
        room.query("insert into people values (null, 'pro')")
        room.materialize(CHANGES, PUSH, sample=1)
        result = room.materialize(CHANGES, PUSH, keys=["u2", "nobody"])
        shown = metadata(result, CHANGES)
        assert (shown["only the rows with these keys"], shown["keys that no row has"]) == (2, 1)
        check = evaluation(result, "set_aside")
        assert (check.passed, check.metadata["null key"].value) == (False, 1)

    def test_a_push_alone_with_keys_leaves_what_was_staged_aside(self, room: Room) -> None:
        people(room)
        room.materialize(CHANGES)
        assert room.materialize(PUSH, keys=["u2"]).success
        assert set(room.simulator.users()) == {"u2"}

    def test_values_are_shown_where_the_launch_asks_for_them(self, room: Room) -> None:
        people(room)
        room.query("insert into people values (null, 'pro')")

        def shown(**config: bool) -> tuple[object, object]:
            found = metadata(room.materialize(CHANGES, **config), CHANGES)
            return found["sample"].records[0].data, found["invalid rows"].records[0].data

        assert shown() == ({"key": "u0", "change": "added", "traits": "plan"}, {"key": "–", "why": "null key"})
        assert shown(values=True) == (
            {"key": "u0", "change": "added", "traits": "plan: – → free"}, {"key": "–", "why": "null key"})


class TestSchedule:
    """A cron line."""

    def schedule(self, room: Room, model: str, yaml: str) -> tuple[Sync, ScheduleDefinition]:
        sync = room.sync("users/people", model, yaml)
        found = build_schedule(sync)
        assert found is not None
        return sync, found

    def tick(self, room: Room, schedule: ScheduleDefinition) -> ScheduleExecutionData:
        with instance_of(room) as instance, build_schedule_context(
                instance, scheduled_execution_time=NOW, resources={"candu_sync": CanduSyncResource()},
                repository_def=room.definitions().get_repository_def()) as context:
            return schedule.evaluate_tick(context)

    def keys(self, room: Room, schedule: ScheduleDefinition) -> list[str | None]:
        return [request.partition_key for request in self.tick(room, schedule).run_requests or ()]

    def test_it_is_on_and_runs_the_job_in_its_time_zone(self, room: Room) -> None:
        people(room)
        _, found = self.schedule(room, "select * from people", "automation: 0 6 * * 1-5 Europe/Paris")
        assert (found.name, found.job_name) == ("candu__users__people__schedule", "candu__users__people")
        assert (found.cron_schedule, found.execution_timezone) == ("0 6 * * 1-5", "Europe/Paris")
        assert found.default_status == DefaultScheduleStatus.RUNNING
        assert self.keys(room, found) == [None]

    def test_without_a_zone_it_is_utc(self, room: Room) -> None:
        _, found = self.schedule(room, "select 1 as user_id", "automation: 0 * * * *")
        assert (found.cron_schedule, found.execution_timezone) == ("0 * * * *", "UTC")

    @pytest.mark.parametrize(("partitions", "asked"), [
        ("static: [free, pro]", ["free", "pro"]), ("daily: 2026-11-01", ["2026-11-14"]),
        ("hourly: 2026-11-01", ["2026-11-15-09:00"]),
        ("daily: 2026-11-01, static: [free, pro]", ["2026-11-14|free", "2026-11-14|pro"]),
        ("daily: 2026-11-15", [])])
    def test_each_segment_is_run_and_of_windows_the_last_that_has_ended(
            self, room: Room, partitions: str, asked: list[str]) -> None:
        where = [":window_start < now()"] if "ly:" in partitions else []
        where += ["plan = :partition"] if "static" in partitions else []
        people(room)
        _, found = self.schedule(room, f"select * from people where {' and '.join(where)}",
                                 f"partitions: {{{partitions}}}\nautomation: 0 * * * *")
        assert self.keys(room, found) == asked
        if not asked:
            assert self.tick(room, found).skip_message == "There is no partition to run yet."

    def test_a_segment_that_is_gone_is_not_run_and_a_new_one_waits_for_its_sensor(self, room: Room) -> None:
        room.table("people", user_id=["u1", "u2"], plan=["free", "pro"])
        _, found = self.schedule(room, "select * from people where plan = :partition", "partitions: {dynamic: plans, "
                                 "values: select distinct plan from people order by 1}\nautomation: 0 * * * *")
        with instance_of(room) as instance:
            instance.add_dynamic_partitions("plans", ["free", "gone"])
        assert self.keys(room, found) == ["free"]

    @pytest.mark.parametrize("automation", ["none", "on_upstream"])
    def test_others_have_none(self, room: Room, automation: str) -> None:
        people(room, yaml=f"automation: {automation}")
        assert list(room.definitions().schedules or ()) == []


def test_a_name_that_is_anothers_asset_is_refused(room: Room) -> None:
    people(room)
    room.sync("users/people_changes", "select 1 as user_id")
    room.sync("users/plan_changes", "select 1 as user_id")
    specs = {spec.key: spec for spec in room.definitions().resolve_all_asset_specs()}
    assert AssetKey(["candu", "users", "plan_changes"]) in specs
    broken = specs[AssetKey(["candu", "users", "people_changes_"])]
    assert "users/people_changes has the name of an asset of users/people in Dagster" in str(broken.description)
