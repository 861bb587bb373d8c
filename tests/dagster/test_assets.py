"""Plan, look, apply: what happens between the changes, the guard and the push, in a real Dagster instance."""

from __future__ import annotations

from dagster import AssetCheckKey, AssetCheckSeverity, AssetKey

from candu_sync.operate.maintenance import baseline
from candu_sync.target import Target
from dagster_defs.specs import changes_spec, push_spec
from tests.dagster.room import CHANGES, PUSH, Room, evaluation, failure, metadata, people


def test_both_assets_bring_the_users_to_candu_and_the_snapshot(room: Room) -> None:
    sync = people(room)
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    assert room.simulator.users() == {f"u{n}": {"plan": "free"} for n in range(3)}
    assert room.state(sync).current().rows == 3
    assert metadata(result, PUSH)["accepted"] == 3


def test_a_second_run_on_the_same_data_makes_no_request(room: Room) -> None:
    people(room)
    room.materialize(CHANGES, PUSH)
    before = len(room.simulator.requests())
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    assert metadata(result, CHANGES)["unchanged"] == 3
    assert len(room.simulator.requests()) == before


def test_the_changes_alone_are_a_preview_and_the_push_sends_exactly_them(room: Room) -> None:
    people(room)
    looked_at = metadata(room.materialize(CHANGES), CHANGES)
    assert looked_at["messages"] == 3
    assert room.simulator.requests() == []
    room.query("update people set plan = 'pro'")
    applied = metadata(room.materialize(PUSH), PUSH)
    assert applied["change set"] == looked_at["change set"]
    assert room.simulator.users()["u0"] == {"plan": "free"}


def test_staged_changes_of_a_dynamic_partition_are_pushed_without_the_warehouse(room: Room) -> None:
    room.table("people", user_id=["u0", "u1"], plan=["free", "pro"])
    room.sync("users/people", "select * from people where plan = :partition",
              "partitions: {dynamic: plans, values: select distinct plan from people}\nremoved: {plan: none}")
    room.instance.add_dynamic_partitions("plans", ["pro"])
    room.materialize(CHANGES, partition="pro")
    room.query("drop table people")
    assert room.materialize(PUSH, partition="pro").success
    assert room.simulator.users() == {"u1": {"plan": "pro"}}


def test_changes_are_pushed_once_and_the_push_alone_then_plans_by_itself(room: Room) -> None:
    people(room)
    first = metadata(room.materialize(PUSH), PUSH)
    assert (first["accepted"], len(room.simulator.users())) == (3, 3)
    room.query("update people set plan = 'pro'")
    assert metadata(room.materialize(PUSH), PUSH)["accepted"] == 3
    assert {user["plan"] for user in room.simulator.users().values()} == {"pro"}
    requests = len(room.simulator.requests())
    assert room.materialize(PUSH).success
    assert len(room.simulator.requests()) == requests


def test_a_push_that_plans_by_itself_is_stopped_by_the_guard(room: Room) -> None:
    people(room, yaml="guard: {min_rows: 4}")
    assert "the model returned 3 rows, min_rows is 4" in failure(room.materialize(PUSH), PUSH)
    assert room.simulator.requests() == []
    assert room.materialize(PUSH, force=True, reason="a small team").success
    sent = len(room.simulator.requests())
    room.sync("users/people", "select case when n < 60 then '' else 'u' || n end as user_id, n as seats "
              "from range(100) t(n)", "guard: {max_changed: null, max_removed: null, max_invalid: 0.5}")
    assert "60 of 100 rows are invalid" in failure(room.materialize(PUSH), PUSH)
    assert len(room.simulator.requests()) == sent


def test_an_edited_model_is_another_version_of_the_code_and_a_new_description_is_not(room: Room) -> None:
    def version(sql: str, yaml: str = "") -> str | None:
        changes, push = changes_spec(sync := room.sync("users/people", sql, yaml)), push_spec(sync)
        assert changes.code_version == push.code_version
        return changes.code_version

    first = version("select * from people")
    assert version("select * from people", "description: People") == first
    assert len({first, version("select user_id from people"), version("select * from people", "nulls: omit")}) == 3


def test_changes_of_an_older_snapshot_are_refused_as_stale(room: Room) -> None:
    sync = people(room)
    room.materialize(CHANGES)
    with room.project() as project:
        baseline(Target(project, sync))
    assert "belong to version 0 of the snapshot, which is at version 1 now" in failure(room.materialize(PUSH), PUSH)


def test_full_sends_every_row_again(room: Room) -> None:
    people(room)
    room.materialize(CHANGES, PUSH)
    result = room.materialize(CHANGES, PUSH, full=True)
    assert metadata(result, CHANGES)["full"] is True
    assert metadata(result, PUSH)["accepted"] == 3


def test_a_partition_is_pushed_by_itself(room: Room) -> None:
    people(room)
    room.sync("users/people", "select * from people where plan = :partition", "partitions: {static: [free, pro]}")
    result = room.materialize(CHANGES, PUSH, partition="pro", force=True)
    assert metadata(result, CHANGES)["rows"] == 0
    assert room.materialize(CHANGES, PUSH, partition="free").success
    assert len(room.simulator.users()) == 3


def test_users_come_before_groups_and_groups_before_events(room: Room) -> None:
    room.table("members", user_id=["u1"], group_id=["g1"], event_id=["e1"], event=["joined"],
               timestamp=["2026-11-01T00:00:00Z"])
    room.sync("events/a", "select event_id, user_id, event, timestamp::timestamptz as timestamp from members")
    room.sync("groups/a", "select group_id, user_id, 1 as seats from members")
    room.sync("users/z", "select user_id, 1 as seats from members")
    names = ("events/a", "groups/a", "users/z")
    room.materialize(*(f"candu/{name}{stage}" for name in names for stage in ("", "_changes")))
    assert [message["type"] for message in room.simulator.messages()] == ["identify", "group", "track"]


class TestGuard:
    """``min_rows: 5`` over three rows."""

    YAML = "guard: {min_rows: 5}"

    def test_a_tripped_guard_keeps_the_push_of_the_same_run_from_running(self, room: Room) -> None:
        people(room, yaml=self.YAML)
        result = room.materialize(CHANGES, PUSH)
        check = evaluation(result, "guard")
        assert not check.passed
        assert check.blocking
        assert check.description is not None
        assert check.description == (
            "the model returned 3 rows, min_rows is 5. Nothing was sent. If this is what you want, launch "
            "candu__users__people, or materialize candu/users/people, with `allow: [rows]` and a `reason`")
        assert not result.success
        assert failure(result, PUSH) == f"users/people: stopped by a guard: {check.description}"
        assert metadata(result, CHANGES)["guard"] == "the model returned 3 rows, min_rows is 5"
        limits = {row.data["figure"]: (row.data["found"], row.data["limit"])
                  for row in check.metadata["limits"].value.records}
        assert limits == {"rows": ("3", "at least 5"), "changed": ("0 of 0", "at most 50.0%"),
                          "removed": ("0 of 0", "at most 20.0%"), "new traits": ("0 rows", "no limit"),
                          "messages": ("3", "no limit"), "invalid": ("0 of 3", "no limit")}
        assert room.simulator.requests() == []

    def test_one_guard_is_passed_and_the_others_hold(self, room: Room) -> None:
        people(room, yaml="guard: {min_rows: 5, max_messages: 2}")
        stopped = room.materialize(CHANGES, PUSH, allow=["rows"])
        assert failure(stopped, PUSH).startswith(
            "users/people: stopped by a guard: 3 messages to send, max_messages is 2. Nothing was sent.")
        assert room.materialize(CHANGES, PUSH, allow=["rows", "messages"], reason="a small team").success
        assert len(room.simulator.users()) == 3
        assert "there is no guard row; did you mean rows" in failure(room.materialize(CHANGES, allow=["row"]), CHANGES)

    def test_it_is_not_retried(self, room: Room) -> None:
        people(room, yaml=self.YAML)
        result = room.materialize(CHANGES)
        assert not [event for event in result.all_events if event.is_step_up_for_retry]

    def test_the_push_alone_is_refused_too(self, room: Room) -> None:
        people(room, yaml=self.YAML)
        room.materialize(CHANGES)
        shown = failure(room.materialize(PUSH), PUSH)
        assert "the model returned 3 rows, min_rows is 5" in shown
        assert "materialize candu/users/people, with `allow: [rows]`" in shown
        assert room.simulator.requests() == []

    def test_who_looked_at_the_changes_can_force_their_push(self, room: Room) -> None:
        people(room, yaml=self.YAML)
        room.materialize(CHANGES)
        result = room.materialize(PUSH, force=True, reason="three it is")
        assert metadata(result, PUSH)["guards passed"] == "all: three it is"
        key = AssetCheckKey(AssetKey(CHANGES.split("/")), "guard")
        [latest] = room.instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).values()
        said = latest.event.dagster_event.event_specific_data  # type: ignore[union-attr]
        assert (said.passed, said.severity, said.description) == (
            False, AssetCheckSeverity.WARN, "Pushed past the guard (all): three it is")
        assert len(room.simulator.users()) == 3

    def test_force_on_the_changes_reaches_the_push_and_the_check_warns_with_the_reason(self, room: Room) -> None:
        people(room, yaml=self.YAML)
        result = room.materialize(CHANGES, PUSH, tags={"user": "ada"},
                                  force=True, reason="a small start")
        check = evaluation(result, "guard")
        assert check.severity == AssetCheckSeverity.WARN
        assert not check.passed
        assert check.metadata["reason"].value == "a small start (ada)"
        assert result.success
        assert len(room.simulator.users()) == 3

    def test_force_holds_for_those_changes_and_no_others(self, room: Room) -> None:
        people(room, yaml=self.YAML)
        room.materialize(CHANGES, force=True)
        room.materialize(CHANGES)
        assert "min_rows is 5" in failure(room.materialize(PUSH), PUSH)

    def test_changes_within_the_limits_pass(self, room: Room) -> None:
        people(room, count=5, yaml=self.YAML)
        check = evaluation(room.materialize(CHANGES), "guard")
        assert check.passed
        assert check.metadata["rows"].value == 5


class TestSetAside:
    def test_rows_that_cannot_go_are_a_warning_with_a_count_for_each_reason(self, room: Room) -> None:
        people(room)
        room.query("insert into people values (null, 'pro'), ('u1', 'pro')")
        room.simulator.fault("refuse", user_ids=["u2"], status=422)
        result = room.materialize(CHANGES, PUSH)
        assert result.success
        check = evaluation(result, "set_aside")
        assert not check.passed
        assert check.severity == AssetCheckSeverity.WARN
        counts = {name: value.value for name, value in check.metadata.items()}
        assert 'said "a message was refused"' in str(counts.pop("why Candu refused"))
        records = counts.pop("some of them").records  # type: ignore[union-attr]
        assert [(row.data["key"], row.data["what"]) for row in records] == [
            ("u2", "refused"), ("–", "invalid"), ("u1", "invalid"), ("u1", "invalid")]
        assert counts == {"rows": 4, "share": 0.8, "null key": 1, "duplicate key": 2, "refused by Candu": 1}
        assert "candu-sync rejected users/people" in str(check.description)

    def test_it_passes_when_all_went(self, room: Room) -> None:
        people(room)
        checks = room.materialize(CHANGES, PUSH).get_asset_check_evaluations()
        assert {check.check_name: check.passed for check in checks} == dict.fromkeys(
            ("guard", "oddities", "set_aside"), True)

    def test_up_to_max_invalid_it_passes_with_a_note(self, room: Room) -> None:
        people(room, count=9, yaml="guard: {max_invalid: 0.1}")
        room.query("insert into people values (null, 'pro')")
        check = evaluation(room.materialize(CHANGES, PUSH), "set_aside")
        assert check.passed
        assert str(check.description).startswith("null key: 1. max_invalid lets 10.0% of the rows pass. 1 row invalid")
