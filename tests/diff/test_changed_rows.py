"""What a run sends, given what Candu was sent before: each policy as a story, against the simulator.

The properties that hold for any tables are in test_diff_properties.py.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from candu_sync.errors import ModelError
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab, error_of

NEW_YEAR = dt.datetime(2026, 1, 1)


class Story:
    """A sync whose table changes from run to run; ``sends`` runs it and returns what Candu received."""

    def __init__(self, lab: Lab, simulator: Simulator, name: str, yaml: str = "") -> None:
        self.lab = lab
        self.simulator = simulator
        self.sync: Sync = lab.sync(name, "select * from rows", "guard: {min_rows: 0}\n" + yaml)
        self.result: Any = None

    def sends(self, rows: pa.Table | None = None, **columns: list[Any]) -> dict[str, dict[str, Any]]:
        """Traits by user, or by group and user; a user who is sent twice is an error."""
        before = len(self.simulator.messages())
        self.lab.table("rows", rows, **columns)
        self.result = self.lab.run(self.sync)
        assert self.result.error is None
        payloads = [message["payload"] for message in self.simulator.messages()[before:]]
        received = {_who(p): p.get("traits", p.get("properties")) for p in payloads}
        assert len(received) == len(payloads)
        return received

    def again(self, **options: Any) -> dict[str, dict[str, Any]]:
        before = len(self.simulator.messages())
        self.result = self.lab.run(self.sync, **options)
        return {_who(m["payload"]): m["payload"].get("traits") for m in self.simulator.messages()[before:]}


def _who(payload: dict[str, Any]) -> str:
    return f"{payload['groupId']}/{payload['userId']}" if "groupId" in payload else str(payload["userId"])


@pytest.fixture
def users(lab: Lab, simulator: Simulator) -> Story:
    return Story(lab, simulator, "users/model")


@pytest.fixture
def groups(lab: Lab, simulator: Simulator) -> Story:
    return Story(lab, simulator, "groups/model")


class TestUsers:
    def test_only_what_changed_is_sent(self, users: Story) -> None:
        assert users.sends(user_id=["a", "b"], plan=["pro", "free"], seats=[5, None]) == {
            "a": {"plan": "pro", "seats": 5}, "b": {"plan": "free"}}
        assert users.sends(user_id=["a", "b", "c"], plan=["pro", "pro", "free"], seats=[6, None, 1]) == {
            "a": {"seats": 6}, "b": {"plan": "pro"}, "c": {"plan": "free", "seats": 1}}
        assert users.result.traits == {"plan": 2, "seats": 2}
        assert (users.result.added, users.result.changed, users.result.unchanged) == (1, 2, 0)

    def test_a_second_run_on_the_same_data_makes_no_request(self, users: Story, simulator: Simulator) -> None:
        users.sends(user_id=["a", "b"], plan=["pro", None])
        requests = len(simulator.requests())
        assert users.again() == {}
        assert len(simulator.requests()) == requests
        assert (users.result.status, users.result.unchanged, users.result.requests) == ("succeeded", 2, 0)

    def test_a_b_a_is_sent_three_times_under_three_ids(self, users: Story, simulator: Simulator) -> None:
        for plan in ("a", "b", "a"):
            assert users.sends(user_id=["u"], plan=[plan]) == {"u": {"plan": plan}}
        assert simulator.stats()["repeated_message_ids"] == 0

    def test_a_new_column_sends_that_one_trait(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], plan=["pro", "free"])
        assert users.sends(user_id=["a", "b"], plan=["pro", "free"], seats=[5, None]) == {"a": {"seats": 5}}

    def test_a_column_that_is_gone_sends_nothing_and_is_reported(self, users: Story) -> None:
        users.sends(user_id=["a"], plan=["pro"], seats=[5])
        users.lab.table("rows", user_id=["a"], plan=["pro"])
        assert users.lab.plan(users.sync).summary.gone_traits == ["seats"]
        assert users.again() == {}
        assert users.lab.plan(users.sync).summary.gone_traits == []

    def test_a_trait_that_comes_back_is_sent_again_for_another_sync_may_have_changed_it(
            self, lab: Lab, simulator: Simulator) -> None:
        first = lab.sync("users/first", "select * from rows")
        second = lab.sync("users/second", "select user_id, 'free' as plan from rows")
        without = first.model_copy(update={"sql": "select user_id, seats from rows"})
        lab.table("rows", user_id=["a"], plan=["pro"], seats=[5])
        lab.run(first)
        assert (lab.run(without).requests, lab.run(without).requests) == (0, 0)
        lab.run(second)
        assert simulator.users() == {"a": {"plan": "free", "seats": 5}}
        for _ in range(2):
            lab.run(first)
            assert simulator.users() == {"a": {"plan": "pro", "seats": 5}}
            assert lab.run(first).requests == 0
            assert lab.run(without).accepted == 0
        lab.table("rows", user_id=["a"], plan=["pro"], seats=[6])
        assert lab.run(first).traits == {"plan": 1, "seats": 1}

    def test_a_trait_that_comes_back_for_most_rows_is_stopped_by_the_guard(self, lab: Lab) -> None:
        lab.query("create table crowd as select 'u' || i as user_id, 'pro' as plan, 5 as seats from range(100) t(i)")
        sync = lab.sync("users/model", "select * from crowd")
        lab.run(sync)
        lab.run(sync.model_copy(update={"sql": "select user_id, seats from crowd"}))
        assert "100 of 100 rows changed (100.0%), max_changed is 50.0% (most: plan 100)" in str(lab.run(sync).error)

    def test_a_column_that_is_gone_stays_gone_in_full_runs_and_for_users_who_return(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[5, 5])
        assert users.sends(user_id=["a"], plan=["pro"]) == {}
        assert users.sends(user_id=["a", "b"], plan=["pro", "pro"]) == {"b": {"plan": "pro"}}
        assert users.again(full=True) == {"a": {"plan": "pro"}, "b": {"plan": "pro"}}

    def test_renamed_and_omitted_columns(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "rename: {plan_name: the plan}\nomit: [note]")
        assert story.sends(user_id=["a"], plan_name=["pro"], note=["x"]) == {"a": {"the plan": "pro"}}
        assert story.sends(user_id=["a"], plan_name=["pro"], note=["y"]) == {}

    def test_another_type_of_the_same_values_sends_nothing(self, users: Story) -> None:
        stamp = pa.array([NEW_YEAR], pa.timestamp("us"))
        first = pa.table({"user_id": ["7"], "seats": pa.array([5], pa.int32()), "since": stamp})
        assert users.sends(first) == {"7": {"seats": 5, "since": "2026-01-01T00:00:00Z"}}
        for seats in (pa.float64(), pa.decimal128(20, 4), pa.uint64()):
            for since in (pa.timestamp("ns"), pa.date32(), pa.timestamp("us", "Europe/Paris")):
                other = pa.table({"user_id": pa.array([7]), "seats": pa.array([5], pa.int32()).cast(seats),
                                  "since": stamp.cast(since)})
                assert users.sends(other) == {}

    def test_a_number_that_becomes_text_is_sent(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], seats=[5, None])
        assert users.sends(user_id=["a", "b"], seats=["5", None]) == {"a": {"seats": "5"}}
        assert users.sends(user_id=["a", "b"], seats=[True, False]) == {"a": {"seats": True}, "b": {"seats": False}}
        assert users.sends(user_id=["a", "b"], seats=[1, 0]) == {"a": {"seats": 1}, "b": {"seats": 0}}

    def test_a_date_that_becomes_its_own_iso_text_is_not(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], since=[NEW_YEAR, NEW_YEAR])
        iso = "2026-01-01T00:00:00Z"
        assert users.sends(user_id=["a", "b"], since=[iso, "2026-02-01"]) == {"b": {"since": "2026-02-01"}}
        assert users.sends(user_id=["a", "b"], since=[NEW_YEAR, NEW_YEAR]) == {"b": {"since": iso}}
        assert users.again() == {}

    def test_far_dates_compare_with_their_text_too(self, users: Story) -> None:
        users.sends(user_id=["a"], until=[dt.datetime(9999, 12, 31)])
        assert users.sends(user_id=["a"], until=["9999-12-31T00:00:00Z"]) == {}


class TestPayload:
    def test_full_sends_the_row_once_any_trait_changed(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "payload: full")
        story.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[5, 5], note=[None, "x"])
        assert story.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[6, 5], note=[None, "x"]) == {
            "a": {"plan": "pro", "seats": 6}}
        assert story.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[6, 6], note=[None, None]) == {
            "b": {"plan": "pro", "seats": 6, "note": None}}

    def test_full_with_omitted_nulls_does_not_repeat_what_is_null_now(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "payload: full\nnulls: omit")
        story.sends(user_id=["a"], plan=["pro"], seats=[5])
        assert story.sends(user_id=["a"], plan=pa.array([None], pa.string()), seats=[6]) == {"a": {"seats": 6}}

    @pytest.mark.parametrize(("yaml", "sent"), [
        ("", {}), ("nulls: send", {"a": {"plan": None}}), ("nulls: {plan: none}", {"a": {"plan": "none"}})])
    def test_the_settings_say_what_becomes_of_nulls_where_the_yaml_does_not(
            self, tmp_path: Path, simulator: Simulator, yaml: str, sent: dict[str, object]) -> None:
        story = Story(Lab(tmp_path, simulator, nulls="omit"), simulator, "users/model", yaml)
        story.sends(user_id=["a"], plan=["pro"])
        assert story.sends(user_id=["a"], plan=pa.array([None], pa.string())) == sent

    def test_a_full_run_sends_every_row_whole(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], plan=["pro", None], seats=[5, 6])
        assert users.again(full=True) == {"a": {"plan": "pro", "seats": 5}, "b": {"seats": 6}}
        assert (users.result.unchanged, users.result.messages) == (2, 2)
        assert users.again() == {}


class TestNulls:
    def test_a_null_is_sent_once_and_only_of_what_was_sent(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], plan=["pro", None])
        assert users.sends(user_id=["a", "b"], plan=pa.array([None, None], pa.string())) == {"a": {"plan": None}}
        assert users.again() == {}
        assert users.sends(user_id=["a", "b"], plan=["pro", "pro"]) == {"a": {"plan": "pro"}, "b": {"plan": "pro"}}

    @pytest.mark.parametrize("yaml", ["", "payload: full", "nulls: omit", "nulls: {plan: none}"])
    def test_a_user_without_a_value_is_sent_once_it_has_one(self, lab: Lab, simulator: Simulator, yaml: str) -> None:
        story = Story(lab, simulator, "users/model", yaml)
        assert story.sends(user_id=["a", "b", "c"], plan=[None, "pro", None]) == {"b": {"plan": "pro"}}
        assert (story.result.added, story.result.messages, story.result.refused) == (3, 1, 0)
        assert (story.again(), story.result.unchanged) == ({}, 3)
        assert story.again(full=True) == {"b": {"plan": "pro"}}
        assert story.sends(user_id=["a", "b", "c"], plan=["free", "pro", None]) == {"a": {"plan": "free"}}
        assert story.sends(user_id=["a", "b"], plan=["free", "pro"]) == {}

    def test_users_who_all_have_no_value_make_no_request(self, users: Story, simulator: Simulator) -> None:
        assert users.sends(user_id=["a", "b"], plan=pa.array([None, None], pa.string())) == {}
        assert (users.result.status, users.result.requests, simulator.requests()) == ("succeeded", 0, [])

    def test_a_user_whose_values_all_turn_null_is_sent_the_nulls_once(self, users: Story) -> None:
        nulls = {"plan": pa.array([None, None], pa.string()), "seats": pa.array([None, None], pa.int64())}
        users.sends(user_id=["a", "b"], plan=["pro", None], seats=[5, None])
        assert users.sends(user_id=["a", "b"], **nulls) == {"a": {"plan": None, "seats": None}}
        assert (users.again(), users.again(full=True)) == ({}, {})
        # It left and returned without a value: there is nothing to send either.
        users.sends(user_id=["a"], plan=nulls["plan"][:1], seats=nulls["seats"][:1])
        assert users.sends(user_id=["a", "b"], **nulls) == {}
        assert (users.result.added, users.result.messages) == (1, 0)
        assert (users.again(), users.result.added) == ({}, 0)
        assert users.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[None, 5]) == {
            "a": {"plan": "pro"}, "b": {"plan": "pro", "seats": 5}}

    @pytest.mark.parametrize("nulls", ["send", "omit"])
    def test_a_user_in_doubt_who_has_no_value_stays_in_doubt(self, lab: Lab, simulator: Simulator, nulls: str) -> None:
        story = Story(lab, simulator, "users/model", f"nulls: {nulls}")
        story.sends(user_id=["a", "b"], plan=["pro", "pro"])
        lab.table("rows", user_id=["a", "b"], plan=["max", "pro"])
        simulator.fault("lost", times=2)
        assert lab.run(story.sync).status == "failed"
        none = {"user_id": ["a", "b"], "plan": [None, "pro"]}
        assert story.sends(**none) == ({"a": {"plan": None}} if nulls == "send" else {})
        assert (story.again(), story.result.added) == ({}, 0)
        # Candu has max of the lost answer, though the snapshot never had it accepted.
        expected = {"a": {"plan": "max"}}
        assert story.sends(user_id=["a", "b"], plan=["max", "pro"]) == expected
        assert story.again() == {}

    def test_omit_keeps_quiet_until_another_value_comes(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "nulls: omit")
        story.sends(user_id=["a"], plan=["pro"])
        assert story.sends(user_id=["a"], plan=pa.array([None], pa.string())) == {}
        assert story.sends(user_id=["a"], plan=["pro"]) == {}
        assert story.sends(user_id=["a"], plan=["free"]) == {"a": {"plan": "free"}}

    def test_a_constant_that_comes_later_takes_the_place_of_nulls_that_were_sent(
            self, lab: Lab, simulator: Simulator) -> None:
        """Once. A row that comes afterwards, and never had a value, is left alone again."""
        story = Story(lab, simulator, "users/model")
        story.sends(user_id=["a", "b", "c"], seats=[5, 5, 5], plan=["x", None, None])
        assert story.sends(user_id=["a", "b", "c"], seats=[None, 5, 6], plan=["x", "y", None]) == {
            "a": {"seats": None}, "b": {"plan": "y"}, "c": {"seats": 6}}
        story.sync = lab.sync("users/model", "select * from rows", "nulls: {seats: 0, plan: none}")
        assert story.again() == {"a": {"seats": 0}}
        assert story.again() == {}
        assert story.sends(user_id=["a", "b", "c", "d"], seats=[None, 5, 6, None], plan=["x", "y", None, "z"]) == {
            "d": {"plan": "z"}}
        assert story.sends(user_id=["a", "b", "c", "d"], seats=[1, 5, 6, None], plan=["x", "y", None, "z"]) == {
            "a": {"seats": 1}}
        story.sync = lab.sync("users/model", "select * from rows", "nulls: send")
        assert story.sends(user_id=["a", "b", "c", "d"], seats=[None, 5, 6, None], plan=["x", "y", None, "z"]) == {
            "a": {"seats": None}}

    def test_the_last_null_of_a_type_that_is_gone_becomes_a_constant_too(self, lab: Lab, simulator: Simulator) -> None:
        """The column has no value left in the result, so it has no kind there."""
        story = Story(lab, simulator, "groups/model")
        nothing = pa.array([None, None], pa.string())
        story.sends(group_id=["g", "g"], user_id=["a", "b"], plan=["pro", "pro"])
        story.sends(group_id=["g", "g"], user_id=["a", "b"], plan=nothing)
        story.sync = lab.sync("groups/model", "select * from rows", "nulls: {plan: 0}")
        assert list(story.again().values()) == [{"plan": 0}]
        assert story.again() == {}

    def test_a_row_that_is_always_invalid_does_not_prolong_it(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model")
        story.sends(user_id=["a", ""], seats=[5, 5])
        story.sends(user_id=["a", ""], seats=[None, 5])
        story.sync = lab.sync("users/model", "select * from rows", "nulls: {seats: 0}")
        assert story.again() == {"a": {"seats": 0}}
        assert story.sends(user_id=["a", "b", ""], seats=[None, None, 5], plan=["x", "x", "x"]) == {
            "a": {"plan": "x"}, "b": {"plan": "x"}}
        assert story.again() == {}

    def test_what_was_refused_is_caught_up_later(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model")
        story.sends(user_id=["a", "b"], seats=[5, 5])
        story.sends(user_id=["a", "b"], seats=pa.array([None, None], pa.int64()))
        story.sync = lab.sync("users/model", "select * from rows", "nulls: {seats: 0}\nguard: {max_changed: null}")
        simulator.fault("refuse", user_ids=["b"], status=400)
        assert set(story.again()) == {"a"}
        simulator.clear_faults()
        story.sync = lab.sync("users/model", "select *, 'x' as note from rows", "nulls: {seats: 0}")
        assert story.again() == {"a": {"note": "x"}, "b": {"seats": 0, "note": "x"}}

    def test_a_constant_replaces_a_null_that_follows_a_value(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "nulls: {plan: none, seats: 0}")
        story.sends(user_id=["a", "b"], plan=["pro", None], seats=[5, 5], note=["x", "x"])
        gone = pa.array([None, None], pa.string())
        assert story.sends(user_id=["a", "b"], plan=gone, seats=[None, 5], note=[None, "x"]) == {
            "a": {"plan": "none", "seats": 0, "note": None}}
        assert story.again() == {}

    def test_a_constant_for_a_trait_that_the_model_lacks_is_an_error(self, lab: Lab) -> None:
        lab.table("rows", user_id=["a"], plan=["x"])
        sync = lab.sync("users/model", "select * from rows", "nulls: {plans: none}")
        said = error_of(lab.run, sync)
        assert "users/model" in said
        assert "plans" in said
        assert "It gives: plan" in said

    def test_nan_is_a_null(self, users: Story) -> None:
        users.sends(user_id=["a"], score=[1.5])
        assert users.sends(user_id=["a"], score=[float("nan")]) == {"a": {"score": None}}
        assert users.again() == {}


class TestRemoved:
    def test_kept_rows_say_nothing_and_are_sent_whole_when_they_return(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[5, 5])
        assert users.sends(user_id=["a"], plan=["pro"], seats=[5]) == {}
        assert users.result.removed == 1
        assert users.again() == {}
        assert users.result.removed == 0
        assert users.sends(user_id=["a", "b"], plan=["pro", "pro"], seats=[5, None]) == {
            "b": {"plan": "pro", "seats": None}}
        assert users.result.added == 1

    def test_constants_are_sent_once(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "removed: {in_segment: false}")
        story.sends(user_id=["a", "b"], in_segment=[True, True])
        assert story.sends(user_id=["a"], in_segment=[True]) == {"b": {"in_segment": False}}
        assert story.again() == {}
        assert story.sends(user_id=["a", "b"], in_segment=[True, True]) == {"b": {"in_segment": True}}

    def test_constants_of_another_kind_or_not_in_the_model(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "removed: {plan: 0, left: true}")
        story.sends(user_id=["a", "b"], plan=["pro", "pro"])
        assert story.sends(user_id=["a"], plan=["pro"]) == {"b": {"plan": 0, "left": True}}
        assert story.sends(user_id=["a", "b"], plan=["pro", "pro"]) == {"b": {"plan": "pro"}}

    def test_a_key_that_is_set_aside_has_not_left(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "removed: {in_segment: false}")
        story.sends(user_id=["a", "b"], in_segment=[True, True], seats=[1, 1])
        assert story.sends(user_id=["a", "b"], in_segment=[True, True], seats=[1, 2**53 + 1]) == {}
        assert (story.result.removed, story.result.invalid, story.result.exit_code) == (0, 1, 4)

    def test_an_empty_result_removes_all(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "users/model", "removed: {in_segment: false}")
        story.sends(user_id=["a", "b"], in_segment=[True, True])
        story.lab.query("delete from rows")
        assert story.again() == {"a": {"in_segment": False}, "b": {"in_segment": False}}


class TestKeys:
    def test_null_and_duplicate_keys_are_set_aside_and_equal_rows_count_once(self, users: Story) -> None:
        assert users.sends(user_id=["a", "a", "b", "b", None, None, "c"], plan=["x", "y", "z", "z", "p", "q", "w"]) == {
            "b": {"plan": "z"}, "c": {"plan": "w"}}
        assert (users.result.rows, users.result.added, users.result.invalid) == (6, 2, 4)
        assert users.lab.reasons(users.sync) == {"duplicate key": 2, "null key": 2}

    def test_a_duplicate_of_a_known_key_changes_and_removes_nothing(self, users: Story) -> None:
        users.sends(user_id=["a", "b"], plan=["x", "x"])
        assert users.sends(user_id=["a", "a", "b"], plan=["x", "y", "x"]) == {}
        assert (users.result.removed, users.result.invalid, users.result.unchanged) == (0, 2, 1)

    def test_a_row_that_is_corrected_is_sent(self, users: Story) -> None:
        users.sends(user_id=["a", "a"], plan=["x", "y"])
        assert users.sends(user_id=["a"], plan=["y"]) == {"a": {"plan": "y"}}
        assert users.result.exit_code == 0


class TestGroups:
    def test_a_membership_is_a_message_and_a_changed_trait_one_for_the_group(self, groups: Story) -> None:
        assert groups.sends(group_id=["g", "g", "h"], user_id=["1", "2", "3"], plan=["pro", "pro", "free"]) == {
            "g/1": {"plan": "pro"}, "g/2": {"plan": "pro"}, "h/3": {"plan": "free"}}
        assert groups.sends(group_id=["g", "g", "h"], user_id=["1", "2", "3"], plan=["max", "max", "free"]) == {
            "g/1": {"plan": "max"}}
        assert (groups.result.changed, groups.result.messages, groups.result.traits) == (2, 1, {"plan": 1})
        assert groups.again() == {}

    def test_a_group_without_a_value_is_sent_for_its_members_alone(self, groups: Story, simulator: Simulator) -> None:
        nothing = pa.array([None, None], pa.string())
        before = len(simulator.messages())
        groups.sends(group_id=["g", "g"], user_id=["1", "2"], plan=nothing)
        assert [sorted(m["payload"]) for m in simulator.messages()[before:]] == [
            ["groupId", "messageId", "type", "userId"]] * 2
        assert (groups.again(), groups.result.unchanged) == ({}, 2)
        assert groups.sends(group_id=["g", "g"], user_id=["1", "2"], plan=["pro", "pro"]) == {"g/1": {"plan": "pro"}}
        assert groups.sends(group_id=["g", "g"], user_id=["1", "2"], plan=nothing) == {"g/1": {"plan": None}}
        assert groups.again(full=True) == {"g/1": None, "g/2": None}

    def test_a_new_member_is_one_message_with_the_groups_traits(self, groups: Story) -> None:
        groups.sends(group_id=["g"], user_id=["1"], plan=["pro"], seats=[5])
        assert groups.sends(group_id=["g", "g"], user_id=["1", "2"], plan=["pro", "pro"], seats=[5, 5]) == {
            "g/2": {"plan": "pro", "seats": 5}}

    def test_a_group_whose_rows_disagree_is_set_aside_whole(self, groups: Story, simulator: Simulator) -> None:
        groups.sends(group_id=["g", "h"], user_id=["1", "2"], plan=["pro", "pro"])
        assert groups.sends(group_id=["g", "g", "h", "h"], user_id=["1", "2", "2", "3"], seats=[1, 1, 2, 2],
                            plan=["pro", None, "max", "max"]) == {
            "h/2": {"plan": "max", "seats": 2}, "h/3": {"plan": "max", "seats": 2}}
        assert groups.lab.reasons(groups.sync) == {"group rows disagree on plan": 2}
        assert groups.result.removed == 0
        assert simulator.groups()["g"] == {"plan": "pro"}

    def test_a_member_without_a_key_does_not_hold_its_group_up(self, groups: Story) -> None:
        assert groups.sends(group_id=["g", "g"], user_id=["1", None], plan=["pro", "max"]) == {"g/1": {"plan": "pro"}}

    def test_a_value_that_cannot_be_sent_holds_the_group_up(self, groups: Story) -> None:
        assert groups.sends(group_id=["g", "g"], user_id=["1", "2"], seats=[2**53 + 1, 5]) == {}
        assert groups.result.invalid == 2

    def test_removed_constants_wait_until_the_last_member_left(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "groups/model", "removed: {status: churned}")
        story.sends(group_id=["g", "g", "h"], user_id=["1", "2", "3"], status=["on", "on", "on"])
        assert story.sends(group_id=["g", "h"], user_id=["1", "3"], status=["on", "on"]) == {}
        assert story.sends(group_id=["h"], user_id=["3"], status=["on"]) == {"g/1": {"status": "churned"}}
        assert story.again() == {}
        assert story.sends(group_id=["g", "h"], user_id=["2", "3"], status=["on", "on"]) == {"g/2": {"status": "on"}}

    def test_a_group_that_left_at_once_is_sent_once(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "groups/model", "removed: {status: churned}")
        story.sends(group_id=["g", "g", "h"], user_id=["1", "2", "3"], status=["on", "on", "on"])
        assert story.sends(group_id=["h"], user_id=["3"], status=["on"]) == {"g/1": {"status": "churned"}}

    def test_a_member_who_returns_does_not_bring_back_what_the_group_no_longer_is(
            self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "groups/model", "nulls: omit")
        story.sends(group_id=["g", "g"], user_id=["1", "2"], plan=["pro", "pro"])
        story.sends(group_id=["g"], user_id=["1"], plan=["free"])
        nothing = pa.array([None, None], pa.string())
        assert story.sends(group_id=["g", "g"], user_id=["1", "2"], plan=nothing) == {"g/2": None}
        assert simulator.groups() == {"g": {"plan": "free"}}


class TestUsersOfSeveralRows:
    KEY = "key: [user_id, org]\nomit: [org]\nguard: {min_rows: 0}\n"

    def story(self, lab: Lab, simulator: Simulator, yaml: str) -> Story:
        story = Story(lab, simulator, "users/model")
        story.sync = lab.sync("users/model", "select * from rows", self.KEY + yaml)
        return story

    def runs(self, story: Story, **columns: list[Any]) -> int:
        story.lab.table("rows", **columns)
        story.result = story.lab.run(story.sync)
        return int(story.result.accepted)

    def test_constants_wait_until_the_users_last_row_left(self, lab: Lab, simulator: Simulator) -> None:
        story = self.story(lab, simulator, "removed: {is_member: false}")
        self.runs(story, user_id=["u", "u", "v"], org=["a", "b", "a"], is_member=[True, True, True])
        assert self.runs(story, user_id=["u", "v"], org=["a", "a"], is_member=[True, True]) == 0
        assert simulator.users()["u"] == {"is_member": True}
        assert self.runs(story, user_id=["v"], org=["a"], is_member=[True]) == 1
        assert simulator.users()["u"] == {"is_member": False}
        assert story.again() == {}

    def test_a_user_who_changes_the_org_stays(self, lab: Lab, simulator: Simulator) -> None:
        story = self.story(lab, simulator, "removed: {is_member: false}")
        self.runs(story, user_id=["u"], org=["a"], is_member=[True])
        self.runs(story, user_id=["u"], org=["b"], is_member=[True])
        assert simulator.users()["u"] == {"is_member": True}

    @pytest.mark.parametrize("back", [False, True])
    def test_another_key_undoes_nothing(self, lab: Lab, simulator: Simulator, back: bool) -> None:
        composite = self.story(lab, simulator, "removed: {is_member: false}").sync
        single = lab.sync("users/model", "select * from rows", self.KEY.replace(", org", "", 1)
                          + "removed: {is_member: false}")
        lab.table("rows", user_id=["u", "v"], org=["a", "a"], is_member=[True, True])
        lab.run(composite if back else single)
        lab.run(single if back else composite)
        assert simulator.users() == {"u": {"is_member": True}, "v": {"is_member": True}}

    def test_rows_of_one_user_that_disagree_are_set_aside(self, lab: Lab, simulator: Simulator) -> None:
        story = self.story(lab, simulator, "removed: {plan: none}")
        self.runs(story, user_id=["u", "u", "v"], org=["a", "b", "a"], plan=["pro", "pro", "pro"])
        assert self.runs(story, user_id=["u", "u", "v"], org=["a", "b", "a"], plan=["pro", "max", "max"]) == 1
        assert lab.reasons(story.sync) == {"rows of one user disagree on plan": 2}
        assert simulator.users() == {"u": {"plan": "pro"}, "v": {"plan": "max"}}
        assert (story.result.removed, story.result.invalid) == (0, 2)


class TestEvents:
    def test_each_id_is_sent_once(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "events/model")
        assert story.sends(event_id=["1", "2"], user_id=["a", "b"], event=["x", "x"], timestamp=[NEW_YEAR] * 2,
                           seats=[5, None]) == {"a": {"seats": 5}, "b": {}}
        assert story.sends(event_id=["1", "2", "3"], user_id=["a", "b", "c"], event=["x"] * 3,
                           timestamp=[NEW_YEAR] * 3, seats=[6, 7, 8]) == {"c": {"seats": 8}}
        assert (story.result.added, story.result.changed, story.result.unchanged) == (1, 0, 2)
        story.lab.query("delete from rows")
        assert story.again() == {}
        assert story.result.removed == 0

    def test_full_does_not_repeat_events(self, lab: Lab, simulator: Simulator) -> None:
        story = Story(lab, simulator, "events/model")
        story.sends(event_id=["1"], user_id=["a"], event=["x"], timestamp=[NEW_YEAR])
        assert story.again(full=True) == {}


class TestRefusals:
    def test_a_type_that_cannot_be_sent_stops_the_run(self, lab: Lab, simulator: Simulator) -> None:
        lab.query("create table rows as select 'a' as user_id, [1, 2] as tags, 'x' as plan")
        sync = lab.sync("users/model", "select * from rows")
        with pytest.raises(ModelError, match="users/model: column tags: an array"):
            lab.run(sync)
        assert simulator.requests() == []
