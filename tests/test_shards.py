"""Runs of a sync with shards: each row is in one, and the guard counts over all."""

from __future__ import annotations

import hashlib

from candu_sync import pipeline
from candu_sync.due import targets_of
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab

PEOPLE = "select * from people"
SHARDS = "partitions: {shards: 4}\n"
KEYS = [f"{number}-of-4" for number in range(4)]


def shard_of(user: str, count: int = 4) -> int:
    return int(hashlib.md5(user.encode()).hexdigest()[:7], 16) % count


def people(lab: Lab, users: list[str], plan: str = "pro") -> None:
    lab.table("people", user_id=users, plan=[plan] * len(users))


def run_all(lab: Lab, sync: Sync, **options: object) -> list[pipeline.RunResult]:
    """As one command runs all shards."""
    with lab.project() as project:
        return [pipeline.run(target, **options) for target in targets_of(project, sync, [])]


def users_of(shard: int, count: int) -> list[str]:
    return [user for user in (f"u{i}" for i in range(8 * count)) if shard_of(user) == shard][:count]


def test_each_row_is_sent_once(lab: Lab, simulator: Simulator) -> None:
    users = [f"u{i}" for i in range(60)]
    people(lab, users)
    sync = lab.sync("users/profile", PEOPLE, SHARDS)
    results = run_all(lab, sync)
    assert [result.partition for result in results] == KEYS
    assert [result.added for result in results] == [sum(shard_of(user) == n for user in users) for n in range(4)]
    assert simulator.users() == {user: {"plan": "pro"} for user in users}
    assert [result.requests for result in run_all(lab, sync)] == [0] * 4
    lab.query("update people set plan = 'free' where user_id = 'u7'")
    assert [result.changed for result in run_all(lab, sync)] == [int(shard_of("u7") == n) for n in range(4)]
    assert simulator.users()["u7"] == {"plan": "free"}


def test_members_of_a_group_are_in_one_shard(lab: Lab, simulator: Simulator) -> None:
    lab.table("members", group_id=["g1"] * 9 + ["g2"] * 9, user_id=[f"u{i}" for i in range(18)], seats=[9.0] * 18)
    results = run_all(lab, lab.sync("groups/teams", "select * from members", SHARDS))
    assert sorted(result.added for result in results if result.added) in ([9, 9], [18])


class TestTheGuardCountsOverAll:
    def test_a_shard_that_is_empty_or_left_whole_stops_nothing(self, lab: Lab) -> None:
        # 160 users, 40 in each shard: what leaves is all of one shard, and 10 % of the sync.
        users = [user for shard in range(4) for user in users_of(shard, 350 if shard else 105)]
        people(lab, users)
        sync = lab.sync("users/profile", PEOPLE, SHARDS)
        assert {result.status for result in run_all(lab, sync)} == {"succeeded"}
        people(lab, [user for user in users if shard_of(user)])
        results = run_all(lab, sync)
        assert [(result.status, result.removed) for result in results] == [
            ("succeeded", 105), ("succeeded", 0), ("succeeded", 0), ("succeeded", 0)]

    def test_a_sync_that_loses_too_much_stops_before_the_first_push(self, lab: Lab, simulator: Simulator) -> None:
        users = [user for shard in range(4) for user in users_of(shard, 30)]
        people(lab, users)
        sync = lab.sync("users/profile", PEOPLE, f"{SHARDS}removed: {{plan: gone}}")
        run_all(lab, sync)
        sent = len(simulator.messages())
        # Shard 0 loses 1 of 30 rows, the sync 61 of 120.
        people(lab, [user for user in users if user != users[0] and shard_of(user) not in (1, 2)])
        results = run_all(lab, sync)
        assert [result.status for result in results] == ["guarded"] * 4
        assert results[0].guard == ("61 of 120 rows removed (50.8%), max_removed is 20.0% (all 4 shards together)",)
        assert len(simulator.messages()) == sent

    def test_each_process_counts_for_itself(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, [user for shard in range(4) for user in users_of(shard, 10)])
        sync = lab.sync("users/profile", PEOPLE, f"{SHARDS}guard: {{max_messages: 39}}")
        for key in KEYS:
            with lab.project() as project:
                result = pipeline.run(Target(project, sync, key))
            assert result.guard == ("40 messages to send, max_messages is 39 (all 4 shards together)",)
        assert simulator.messages() == []
        sync = lab.sync("users/profile", PEOPLE, f"{SHARDS}guard: {{max_messages: 40}}")
        assert [lab.run(sync, key).accepted for key in KEYS] == [10] * 4

    def test_an_empty_model_stops(self, lab: Lab) -> None:
        people(lab, ["u1"])
        sync = lab.sync("users/profile", PEOPLE, SHARDS)
        assert sum(result.accepted for result in run_all(lab, sync)) == 1
        lab.query("delete from people")
        assert {result.status for result in run_all(lab, sync)} == {"guarded"}


def test_an_id_whose_text_is_another_in_the_warehouse_is_set_aside(lab: Lab, simulator: Simulator) -> None:
    """7.0 and 7 are one user, whom two shards could have."""
    lab.query("create table people as select 7.0::decimal(5, 1) as user_id, 'pro' as plan union all select 8.0, 'pro'")
    results = run_all(lab, lab.sync("users/profile", PEOPLE, SHARDS))
    wrong = [user for user in ("7", "8") if shard_of(user) != shard_of(f"{user}.0")]
    assert sum(result.invalid for result in results) == len(wrong) > 0
    assert [reason for result in results for reason in result.reasons] == [
        "the warehouse's text of the id is not the text that is sent: cast it to that text in the SQL"] * len(
            {shard_of(f"{user}.0") for user in wrong})
    assert set(simulator.users()) == {"7", "8"} - set(wrong)


def test_rows_that_cannot_be_sent_are_set_aside_in_one_shard(lab: Lab) -> None:
    lab.query("create table people as select null::varchar as user_id, 'pro' as plan union all select 'u1', 'pro' "
              "union all select 'u1', 'free'")
    results = run_all(lab, lab.sync("users/profile", PEOPLE, SHARDS))
    assert {reason: count for result in results for reason, count in result.reasons.items()} == {
        "null key": 1, "duplicate key": 2}
