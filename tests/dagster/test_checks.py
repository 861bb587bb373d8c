"""What the page of the changes shows before anything is sent: rows, names, and how usual that is."""

from __future__ import annotations

import datetime as dt

import pytest
from dagster import AssetCheckSeverity

from candu_sync.changes import anything_staged
from tests.dagster.room import CHANGES, PUSH, Room, evaluation, metadata, people
from tests.support.waiting import today


class TestRefusals:
    def test_why_candu_refused_is_shown_in_its_words_and_without_values(self, room: Room) -> None:
        people(room, count=30)
        room.simulator.fault("refuse", user_ids=["u1", "u2", "u3"], status=422)
        assert not evaluation(room.materialize(CHANGES, PUSH), "set_aside").passed
        room.simulator.clear_faults()
        # With the next run too, though nothing is sent of those rows.
        check = evaluation(room.materialize(CHANGES, PUSH), "set_aside")
        assert check.metadata["refused by Candu"].value == 3
        assert check.metadata["why Candu refused"].value == (
            '```\n3 × Candu refused it (HTTP 422) and said "a message was refused"\n```')


def test_mostly_invalid_rows_are_an_error_and_the_others_go(room: Room) -> None:
    people(room, count=60)
    room.query("insert into people select null, 'pro' || n from range(60) as t(n)")
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    check = evaluation(result, "set_aside")
    assert check.severity == AssetCheckSeverity.ERROR
    assert check.metadata["share"].value == 0.5
    assert len(room.simulator.users()) == 60


class TestAlone:
    """A check that is launched by itself looks, and stages nothing."""

    def test_each_check_can_be_run_without_a_materialization(self, room: Room) -> None:
        sync = people(room, yaml="guard: {min_rows: 5}")
        room.query("insert into people values (null, 'pro')")
        result = room.check("guard", "set_aside")
        assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
            "guard": False, "set_aside": False}
        assert not anything_staged(room.state(sync))
        assert room.simulator.requests() == []


class TestPartitions:
    def test_a_good_partition_hides_no_bad_one(self, room: Room) -> None:
        room.table("people", user_id=["u1", "u2", None], plan=["free", "pro", "pro"])
        room.sync("users/people", "select * from people where plan = :partition", "partitions: {static: [free, pro]}")
        found = {plan: evaluation(room.materialize(CHANGES, PUSH, partition=plan), "set_aside")
                 for plan in ("pro", "free")}
        assert {plan: (check.partition, check.passed) for plan, check in found.items()} == {
            "pro": ("pro", False), "free": ("free", True)}


def test_events_that_candu_has_under_another_key_stop_at_the_guard(room: Room) -> None:
    def visits(yaml: str) -> None:
        room.query("create table if not exists nothing (a int)")
        room.sync("events/visits", """select 'e' || i as event_id, 'x' || i as other, 'u' as user_id, 'seen' as event,
            timestamp '2026-11-01' + to_minutes(i::int) as timestamp from range(5) t(i)""", yaml)

    keys = "candu/events/visits_changes", "candu/events/visits"
    visits("")
    assert evaluation(room.materialize(*keys), "guard").passed
    visits("key: other")
    result = room.materialize(*keys)
    check = evaluation(result, "guard")
    assert not check.passed
    assert "the key was event_id and is other now: 5 events to send are not newer" in str(check.description)
    assert "`candu-sync baseline events/visits --not-newer`" in str(check.description)
    assert not result.success
    assert len(room.simulator.messages()) == 5
    said = str(evaluation(result, "oddities").description)
    assert "the key was event_id and is other now: 5 events to send may be known to Candu" in said


class TestOddities:
    def shown(self, room: Room, key: str = CHANGES, partition: str | None = None) -> str:
        check = evaluation(room.materialize(key, partition=partition), "oddities")
        twice = " sends " in (check.description or "")
        assert check.severity == (AssetCheckSeverity.ERROR if twice else AssetCheckSeverity.WARN)
        assert check.passed is (check.description is None)
        return check.description or ""

    def test_plain_names_pass(self, room: Room) -> None:
        people(room)
        assert self.shown(room) == ""

    def test_changes_that_look_like_noise(self, room: Room) -> None:
        room.table("people", user_id=["u1"], spent=[1.0])
        room.sync("users/people", "select * from people")
        room.materialize(CHANGES, PUSH)
        room.table("people", user_id=["u1"], spent=[0.9999999999999999])
        result = room.materialize(CHANGES)
        check = evaluation(result, "oddities")
        assert str(check.description).startswith("spent: 1 of 1 changes are smaller than a billionth of the number")
        assert metadata(result, CHANGES)["noise"].records[0].data == {"sign": "tiny", "trait": "spent", "changes": 1}

    def test_an_email_that_is_not_candus(self, room: Room) -> None:
        people(room)
        room.sync("users/people", """select user_id, plan as "Email" from people""")
        assert "the trait Email is not Candu's email" in self.shown(room)

    def test_names_that_differ_by_case_or_spaces(self, room: Room) -> None:
        people(room)
        room.sync("users/people", """select user_id, 1 as "Total billed", 2 as totalbilled from people""",
                  "rename: {totalbilled: total billed}")
        assert "'Total billed' and 'total billed' differ by upper and lower case or spaces only" in self.shown(room)

    def test_a_trait_that_another_sync_sends_too(self, room: Room) -> None:
        people(room)
        room.sync("users/billing", "select user_id, plan, 1 as seats from people")
        room.materialize("candu/users/billing_changes")
        assert self.shown(room) == ("users/billing sends plan too: the last to run wins. Leave it in one, `omit` or "
                                   "`rename` it in the other")
        check = evaluation(room.materialize(CHANGES), "oddities")
        [record] = check.metadata["findings"].value.records
        assert (record.data["code"], record.data["severity"], record.data["column"]) == ("two_senders", "error", "plan")

    def test_a_trait_that_another_sync_of_the_same_run_has_just_begun_to_send(self, room: Room) -> None:
        """The state of a sync is read once in a run, and again after its own changes are staged."""
        room.table("people", user_id=["u1"], plan=["free"], seats=[1])
        for name in "users/a", "users/b", "users/c":
            room.sync(name, f"select user_id, seats as of_{name[-1]} from people")
        keys = [f"candu/users/{name}{end}" for name in "abc" for end in ("_changes", "")]
        assert room.materialize(*keys).success
        for name in "users/a", "users/c":
            room.sync(name, "select user_id, plan from people")
        result = room.materialize(*keys, force=True)
        said = {found.asset_key.path[-1]: found.description or "" for found in result.get_asset_check_evaluations()
                if found.check_name == "oddities"}
        assert sum("sends plan too" in text for text in said.values()) == 1
        assert "sends" not in said["b_changes"]

    def test_ids_with_stray_spaces_or_that_differ_by_case(self, room: Room) -> None:
        room.table("people", user_id=["ada", " ada", "Bo", "bo", "Cy"], plan=["free"] * 5)
        room.sync("users/people", "select * from people")
        assert self.shown(room).split("\n\n") == [
            "ids that begin or end with a space: 1 id. Candu takes each for another than the one without",
            "ids that differ from another by upper and lower case only: 2 ids. Candu takes each for another"]

    def test_events_without_any_users(self, room: Room) -> None:
        room.table("people", user_id=["u1"], plan=["free"])
        room.sync("events/logins", "select 'e' || user_id as event_id, user_id, 'login' as event, now() as "
                  "timestamp from people")
        assert "there is no sync of users" in self.shown(room, "candu/events/logins_changes")
        people(room)
        assert self.shown(room, "candu/events/logins_changes").startswith("3 users were never identified")
        room.materialize(CHANGES, PUSH)
        assert self.shown(room, "candu/events/logins_changes") == ""

    @pytest.mark.parametrize(("partitions", "segment"), [("", ""), (", static: [eu]", "|eu")])
    def test_a_late_window_of_events(self, room: Room, partitions: str, segment: str) -> None:
        people(room)
        room.materialize(CHANGES, PUSH)
        where = " where :partition = 'eu'" if segment else ""
        room.sync("events/logins", "select 'e' || user_id as event_id, user_id, 'login' as event, "
                  f":window_start::timestamptz as timestamp from people{where}",
                  f"partitions: {{daily: 2026-01-01{partitions}}}")
        old, new = (f"{today() - dt.timedelta(days=days)}{segment}" for days in (10, 1))
        assert self.shown(room, "candu/events/logins_changes", old).startswith(
            "this window ended 9 days ago: its 3 events go with their own timestamps, and Candu counts events from")
        assert self.shown(room, "candu/events/logins_changes", new) == ""


class TestOutlook:
    def test_requests_and_minutes_at_the_configured_rate(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANDU_RATE", "0.5")
        people(room, count=450)
        output = metadata(room.materialize(CHANGES), CHANGES)
        assert output["estimate"] == "5 requests, 10.0 s at 0.5 a second"

    def test_without_a_rate_there_are_no_minutes(self, room: Room) -> None:
        people(room)
        assert metadata(room.materialize(CHANGES), CHANGES)["estimate"] == "1 request"

    def test_the_share_that_changed_is_shown_with_that_of_the_last_runs(self, room: Room) -> None:
        people(room, count=10)
        assert "change ratio" not in metadata(room.materialize(CHANGES, PUSH), CHANGES)
        for plan, of in (("pro", 1), ("max", 5), ("won", 2)):
            room.query(f"update people set plan = '{plan}' where user_id < 'u{of}'")
            output = metadata(room.materialize(CHANGES, PUSH), CHANGES)
        assert output["change ratio"] == 0.2
        assert output["usual change ratio"] == "median 30.00%, highest 50.00%, over the last 2 runs"

    def test_the_traits_are_the_columns_of_the_page(self, room: Room) -> None:
        people(room)
        schema = metadata(room.materialize(CHANGES), CHANGES)["dagster/column_schema"]
        assert [(column.name, column.type) for column in schema.columns] == [("plan", "text")]
