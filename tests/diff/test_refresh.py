"""Rows that have not changed are sent again when it is their turn: once in a cycle, whole, and counted by itself."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import httpx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync import claimed_push, pipeline
from candu_sync.arrow_rows import read_table
from candu_sync.commit import RunResult
from candu_sync.diff import Refresh, refresh_of
from candu_sync.history import HistoryQuery, search_history
from candu_sync.operate import maintenance
from candu_sync.rows import LARGEST_MESSAGE
from candu_sync.simulator import Simulator
from candu_sync.state.owner import Owner
from candu_sync.syncs import Sync
from candu_sync.target import Target
from tests.support.clock import START, Clock, clock
from tests.support.lab import Lab, error_of

MONTH = "refresh: 30 days\n"
CYCLE = dt.timedelta(days=27)


@pytest.fixture
def time() -> Iterator[Clock]:
    with clock() as found:
        yield found


class Sent:
    """What Candu received since the last look: who → traits. A user who was sent twice is an error."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._seen = 0

    def skip(self) -> None:
        """Do not look at what was received so far."""
        self._seen = len(self._simulator.messages())

    def now(self) -> dict[str, Any]:
        messages = self._simulator.messages()[self._seen:]
        self._seen += len(messages)
        found = {_who(message["payload"]): message["payload"].get("traits") for message in messages}
        assert len(found) == len(messages)
        return found


def _who(payload: dict[str, Any]) -> str:
    return f"{payload['groupId']}/{payload['userId']}" if "groupId" in payload else str(payload["userId"])


@pytest.fixture
def sent(simulator: Simulator) -> Sent:
    return Sent(simulator)


def people(lab: Lab, count: int = 200, yaml: str = MONTH, plan: str = "'pro'") -> Sync:
    lab.query(f"create or replace table people as select 'u' || i as user_id, {plan} as plan, i as n "
              f"from range({count}) t(i)")
    return lab.sync("users/model", "select * from people", yaml)


def counts(result: RunResult) -> tuple[int, int, int, int, int]:
    assert result.error is None
    assert result.rows == result.added + result.changed + result.unchanged + result.invalid
    return result.added, result.changed, result.unchanged, result.refreshed, result.messages


def test_each_row_goes_once_in_a_cycle_and_never_in_the_counts_of_changes(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = people(lab)
    assert counts(lab.run(sync)) == (200, 0, 0, 0, 200)
    sent.skip()
    received: Counter[str] = Counter()
    for _ in range(3):
        time.wait(days=9)
        result = lab.run(sync)
        assert counts(result) == (0, 0, 200, result.refreshed, result.refreshed)
        assert (result.exit_code, result.traits, result.removed) == (0, {}, 0)
        assert 40 < result.refreshed < 95
        found = sent.now()
        assert all(traits == {"plan": "pro", "n": int(user[1:])} for user, traits in found.items())
        received.update(found.keys())
        again = lab.run(sync)
        assert (again.refreshed, again.requests) == (0, 0)
    assert received == {f"u{i}": 1 for i in range(200)}


def test_without_it_nothing_is_sent_again(lab: Lab, time: Clock) -> None:
    sync = people(lab, yaml="")
    lab.run(sync)
    time.wait(days=90)
    assert counts(lab.run(sync)) == (0, 0, 200, 0, 0)


def test_what_others_changed_is_mended(lab: Lab, time: Clock, simulator: Simulator) -> None:
    sync = people(lab)
    lab.run(sync)
    _tamper(simulator, "u7", {"plan": "stolen"})
    time.wait(days=27)
    assert lab.run(sync).refreshed == 200
    assert simulator.users()["u7"]["plan"] == "pro"


def _tamper(simulator: Simulator, user: str, traits: dict[str, Any]) -> None:
    """Another tool writes to Candu."""
    answer = httpx.post(f"{simulator.url}/eventWebhook", headers={"Authorization": f"Bearer {simulator.key}"},
                        json=[{"type": "identify", "userId": user, "traits": traits}])
    assert answer.status_code == 200, answer.text


def test_it_begins_when_it_is_switched_on_and_ends_when_it_is_switched_off(lab: Lab, time: Clock, sent: Sent) -> None:
    lab.run(people(lab, yaml=""))
    time.wait(days=100)
    sent.skip()
    sync = people(lab)
    began = lab.run(sync)
    assert (began.messages, began.requests, lab.state(sync).current().refreshed) == (
        0, 0, time.now.isoformat(timespec="microseconds"))
    version = lab.state(sync).current().number
    assert lab.run(sync).requests == 0
    assert lab.state(sync).current().number == version
    time.wait(days=13, hours=12)
    assert 60 < lab.run(sync).refreshed < 140
    time.wait(days=1)
    lab.run(people(lab, yaml="", plan="if(i = 0, 'free', 'pro')"))
    assert lab.state(sync).current().refreshed is None


def test_a_run_that_was_away_catches_up_one_cycle_at_most(lab: Lab, time: Clock) -> None:
    sync = people(lab)
    lab.run(sync)
    time.wait(days=400)
    assert lab.run(sync).refreshed == 200
    assert lab.run(sync).requests == 0


def test_a_changed_row_whose_turn_it_is_goes_whole_and_counts_as_changed(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = people(lab)
    lab.run(sync)
    sent.skip()
    time.wait(days=13, hours=12)
    people(lab, plan="if(i < 100, 'free', 'pro')")
    result = lab.run(sync)
    whole = {user: traits for user, traits in sent.now().items() if "n" in traits}
    assert (result.changed, result.unchanged) == (100, 100)
    assert result.messages == 100 + result.refreshed
    assert result.traits["plan"] == 100
    assert sum(traits["plan"] == "free" for traits in whole.values()) == len(whole) - result.refreshed
    time.wait(days=13, hours=12)
    assert len(whole) + lab.run(sync).refreshed == 200
    assert not whole.keys() & sent.now().keys()


def test_max_messages_makes_the_share_smaller_and_stops_no_change(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = people(lab)
    lab.run(sync)
    sent.skip()
    time.wait(days=27)
    sync = people(lab, yaml=f"{MONTH}guard: {{max_messages: 110}}", plan="if(i < 20, 'free', 'pro')")
    assert counts(lab.run(sync)) == (0, 20, 180, 90, 110)
    received = Counter(sent.now().keys())
    time.wait(hours=1)
    result = lab.run(sync)
    received.update(sent.now().keys())
    # A changed row that went while the turns were cut short has its turn now.
    twice = {user for user, times in received.items() if times == 2}
    assert (result.refreshed, len(received)) == (90 + len(twice), 200)
    assert twice < {f"u{i}" for i in range(20)}
    time.wait(days=1)
    sync = people(lab, yaml=f"{MONTH}guard: {{max_messages: 5}}", plan="if(i < 6, 'x', if(i < 20, 'free', 'pro'))")
    assert lab.run(sync).status == "guarded"
    sync = people(lab, yaml=f"{MONTH}guard: {{max_messages: 6}}", plan="if(i < 6, 'x', if(i < 20, 'free', 'pro'))")
    assert counts(lab.run(sync)) == (0, 6, 194, 0, 6)


def test_a_sample_and_a_failure_leave_the_rest_to_the_next_run(lab: Lab, time: Clock, sent: Sent,
                                                              simulator: Simulator) -> None:
    lab.overrides |= {"batch_size": 10, "concurrency": 1, "max_attempts": 1}
    sync = people(lab)
    lab.run(sync)
    sent.skip()
    time.wait(days=27)
    assert lab.run(sync, sample=7).accepted == 7
    received = Counter(sent.now().keys())
    simulator.fault("status", status=401, after=3, times=1)
    failed = lab.run(sync)
    assert (failed.status, failed.refreshed, failed.accepted, failed.waiting) == ("failed", 193, 30, 163)
    received.update(sent.now().keys())
    assert lab.run(sync).accepted == 163
    received.update(sent.now().keys())
    assert received == {f"u{i}": 1 for i in range(200)}


def test_a_lost_answer_is_no_change(lab: Lab, time: Clock, simulator: Simulator) -> None:
    lab.overrides |= {"batch_size": 10, "concurrency": 1, "max_attempts": 1}
    sync = people(lab, 50)
    lab.run(sync)
    time.wait(days=27)
    simulator.fault("lost", times=1)
    failed = lab.run(sync)
    assert (failed.refreshed, failed.waiting >= 10) == (50, True)
    again = lab.run(sync)
    assert counts(again) == (0, 0, 50, failed.waiting, failed.waiting)


def test_a_refused_row_stays_refused_until_it_is_retried(lab: Lab, time: Clock, simulator: Simulator) -> None:
    sync = people(lab, 50)
    lab.run(sync)
    time.wait(days=27)
    simulator.fault("refuse", user_ids=["u3"], status=422)
    result = lab.run(sync)
    assert (result.refreshed, result.accepted, result.refused, result.exit_code) == (50, 49, 1, 4)
    for wait in (0, 27):
        time.wait(days=wait)
        result = lab.run(sync)
        assert (result.refused, result.accepted, result.added, result.changed) == (1, 49 if wait else 0, 0, 0)
        assert [row["key"] for row in lab.rejected(sync)] == ["u3"]
    simulator.clear_faults()
    with lab.project() as project:
        assert maintenance.retry(Target(project, sync)) == 1
    assert (lab.run(sync).accepted, lab.run(sync).refused) == (1, 0)


def test_a_refused_change_is_not_sent_again_by_its_turn(lab: Lab, time: Clock, simulator: Simulator) -> None:
    sync = people(lab, 50)
    lab.run(sync)
    people(lab, 50, plan="if(i = 3, 'free', 'pro')")
    simulator.fault("refuse", user_ids=["u3"], status=422)
    assert lab.run(sync).refused == 1
    time.wait(days=27)
    result = lab.run(sync)
    assert (result.refreshed, result.accepted, result.refused, result.retries) == (49, 49, 1, 0)
    assert len([row for row in _history(lab, sync) if row["outcome"] == "refused"]) == 1


def _history(lab: Lab, sync: Sync) -> list[dict[str, Any]]:
    return list(search_history([lab.state(sync)], HistoryQuery()))


def test_the_history_says_what_was_a_refresh(lab: Lab, time: Clock) -> None:
    sync = people(lab, 20)
    lab.run(sync)
    time.wait(days=27)
    people(lab, 20, plan="if(i = 3, 'free', 'pro')")
    result = lab.run(sync)
    rows = {(row["run_id"] == result.run_id, row["key"]): row for row in _history(lab, sync)}
    assert {key for (now, key), row in rows.items() if now and row["refresh"]} == {
        f"u{i}" for i in range(20) if i != 3}
    assert not any(row["refresh"] for (now, _), row in rows.items() if not now)
    assert rows[True, "u4"]["traits"] == {"plan": None, "n": None}


@pytest.mark.parametrize("values", ["values", "names"])
def test_a_ledger_of_groups_has_it_too(lab: Lab, time: Clock, values: str) -> None:
    sync = members(lab, f"{MONTH}history: {values}\n")
    lab.run(sync)
    time.wait(days=27)
    assert lab.run(sync).refreshed == 12
    assert sum(row["refresh"] for row in _history(lab, sync)) == 12


def members(lab: Lab, yaml: str = MONTH, plan: str = "'pro'") -> Sync:
    lab.query(f"create or replace table members as select 'g' || i % 3 as group_id, 'u' || i as user_id, {plan} as "
              "plan, i % 3 as size from range(12) t(i)")
    return lab.sync("groups/model", "select * from members", yaml)


def test_members_of_groups_go_again_each_with_the_traits_of_its_group(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = members(lab)
    assert lab.run(sync).accepted == 12
    sent.skip()
    time.wait(days=13, hours=12)
    half = lab.run(sync)
    assert 0 < half.refreshed < 12
    found = sent.now()
    assert all(traits == {"plan": "pro", "size": int(who[1])} for who, traits in found.items())
    time.wait(days=13, hours=12)
    # One group changes: one message has its change, and those of its members whose turn it is go whole.
    members(lab, plan="if(i % 3 = 1, 'free', 'pro')")
    messages = lab.run(sync)
    assert (messages.changed, messages.unchanged) == (4, 8)
    rest = sent.now()
    whole = {who for who, traits in rest.items() if len(traits) == 2}
    assert found.keys() | whole == {f"g{i % 3}/u{i}" for i in range(12)}
    assert not found.keys() & whole
    assert len(rest) - len(whole) <= 1
    assert all(traits["plan"] == ("free" if who[1] == "1" else "pro") for who, traits in rest.items())


def test_of_a_group_only_the_members_are_read_whose_turn_it_is(lab: Lab, time: Clock) -> None:
    lab.query("create table members as select 'g' as group_id, 'u' || i as user_id, 'pro' as plan from range(500) t(i)")
    sync = lab.sync("groups/model", "select * from members", MONTH)
    lab.run(sync)
    time.wait(days=1)
    changes = lab.plan(sync)
    assert changes.folder is not None
    with duckdb.connect() as connection:
        rows = read_table(changes.file("changes.arrow"))
        assert len(rows) == changes.summary.refreshed < 50
        assert connection.sql("select count(distinct message) from rows").fetchall() == [(len(rows),)]


def test_users_of_several_rows(lab: Lab, time: Clock) -> None:
    lab.query("create table people as select 'u' || i // 2 as user_id, i as org, 'pro' as plan from range(40) t(i)")
    sync = lab.sync("users/model", "select * from people", f"{MONTH}key: [user_id, org]\nomit: [org]\n")
    assert lab.run(sync).accepted == 40
    time.wait(days=13, hours=12)
    first = lab.run(sync).refreshed
    time.wait(days=13, hours=12)
    assert first + lab.run(sync).refreshed == 40


def test_nulls_renames_and_omitted_columns(lab: Lab, time: Clock, sent: Sent) -> None:
    lab.query("create table people as select * from (values ('a', 'pro', 1, 'x'), ('b', null, 2, 'y'), "
              "('c', null, null, 'z')) t(user_id, plan_name, seats, note)")
    sync = lab.sync("users/model", "select * from people",
                    f"{MONTH}rename: {{plan_name: plan}}\nomit: [note]\nnulls: {{seats: 0}}\n")
    lab.run(sync)
    sent.skip()
    time.wait(days=27)
    assert lab.run(sync).refreshed == 2
    assert sent.now() == {"a": {"plan": "pro", "seats": 1}, "b": {"seats": 2}}
    lab.query("update people set seats = null where user_id = 'b'")
    lab.run(sync)
    sent.skip()
    time.wait(days=27)
    lab.run(sync)
    assert sent.now() == {"a": {"plan": "pro", "seats": 1}, "b": {"seats": 0}}


def test_a_value_that_is_kept_when_it_turns_null_is_not_sent_again(lab: Lab, time: Clock, sent: Sent) -> None:
    lab.table("people", user_id=["a", "b"], plan=["pro", "pro"], seats=[1, 2])
    sync = lab.sync("users/model", "select * from people", f"{MONTH}nulls: omit\n")
    lab.run(sync)
    lab.table("people", user_id=["a", "b"], plan=["pro", "pro"], seats=pa.array([1, None]).to_pylist())
    sent.skip()
    time.wait(days=27)
    assert counts(lab.run(sync)) == (0, 0, 2, 2, 2)
    assert sent.now() == {"a": {"plan": "pro", "seats": 1}, "b": {"plan": "pro"}}


def test_rows_that_left_and_rows_that_cannot_be_sent_are_not_sent_again(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = people(lab, 6, f"{MONTH}removed: {{left: true}}\n")
    lab.run(sync)
    lab.query("delete from people where user_id = 'u0'")
    lab.run(sync)
    lab.query("insert into people values ('u1', 'free', 9)")
    sent.skip()
    time.wait(days=27)
    result = lab.run(sync)
    assert (result.invalid, result.refreshed, result.removed) == (2, 4, 0)
    assert sent.now().keys() == {"u2", "u3", "u4", "u5"}


def test_a_full_run_counts_no_refresh_and_takes_the_turns(lab: Lab, time: Clock) -> None:
    sync = people(lab)
    lab.run(sync)
    time.wait(days=20)
    full = lab.run(sync, full=True)
    assert (full.accepted, full.refreshed, full.unchanged) == (200, 0, 200)
    assert lab.run(sync).requests == 0
    time.wait(days=7)
    assert 20 < lab.run(sync).refreshed < 90


def test_named_rows_take_no_turn(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = people(lab)
    lab.run(sync)
    sent.skip()
    time.wait(days=27)
    result = lab.run(sync, keys=["u1", "u2"])
    assert (result.messages, result.refreshed) == (2, 0)
    assert lab.run(sync).refreshed == 200


def test_a_baseline_takes_no_turn(lab: Lab, time: Clock) -> None:
    sync = people(lab)
    with lab.project() as project:
        maintenance.baseline(Target(project, sync))
        time.wait(days=27)
        assert maintenance.baseline(Target(project, sync)).summary.refreshed == 0
    assert lab.run(sync).refreshed == 200


def test_a_staged_plan_is_sent_as_it_was_and_the_next_goes_on_from_its_time(lab: Lab, time: Clock, sent: Sent) -> None:
    sync = people(lab)
    lab.run(sync)
    sent.skip()
    time.wait(days=13, hours=12)
    planned = lab.plan(sync).summary.refreshed
    time.wait(days=6)
    with lab.project() as project:
        _, result = pipeline.push_staged(Target(project, sync))
    assert (result.refreshed, result.accepted) == (planned, planned)
    first = sent.now()
    time.wait(days=7, hours=12)
    assert lab.run(sync).refreshed == 200 - planned
    assert not first.keys() & sent.now().keys()


def test_a_row_that_is_too_large_when_it_is_whole_goes_as_if_it_had_no_turn(lab: Lab, time: Clock, sent: Sent) -> None:
    half = f"repeat('x', {LARGEST_MESSAGE // 2 + 100})"
    for a, b in ((half, "null::varchar"), ("null::varchar", half)):
        lab.query(f"create or replace table people as select 'u' || i as user_id, 1 as n, {a} as a, {b} as b "
                  "from range(3) t(i)")
        sync = lab.sync("users/model", "select * from people", f"{MONTH}nulls: omit\n")
        assert lab.run(sync).accepted == 3
    lab.query(f"update people set a = {half}")
    sent.skip()
    time.wait(days=27)
    lab.query("update people set n = 2 where user_id = 'u1'")
    result = lab.run(sync)
    assert counts(result) == (0, 1, 2, 0, 1)
    assert sent.now() == {"u1": {"n": 2}}


def test_segments_have_a_cycle_each(lab: Lab, time: Clock) -> None:
    lab.query("create table people as select 'u' || i as user_id, if(i % 2 = 0, 'eu', 'us') as region "
              "from range(40) t(i)")
    sync = lab.sync("users/model", "select * from people where region = :partition",
                    f"{MONTH}partitions: {{static: [eu, us]}}\n")
    for region in ("eu", "us"):
        assert lab.run(sync, region).accepted == 20
    time.wait(days=27)
    assert lab.run(sync, "eu").refreshed == 20
    time.wait(days=1)
    assert (lab.run(sync, "eu").refreshed, lab.run(sync, "us").refreshed) == (0, 20)


@pytest.mark.parametrize(("name", "yaml", "said"), [
    ("events/model", MONTH, "an event that was sent is never sent again"),
    ("users/model", f"{MONTH}partitions: {{daily: 2026-11-01}}\n", "the rows of an old window would go over those"),
    ("users/model", "refresh: 2 hours\n", "'2 hours' is less than 1 day"),
    ("users/model", "refresh: monthly\n", "'monthly' is not a duration"),
])
def test_what_cannot_be_refreshed_is_refused(lab: Lab, name: str, yaml: str, said: str) -> None:
    assert said in error_of(lab.sync, name, "select 1", yaml)


def test_a_clock_that_was_ahead_does_not_stop_it(lab: Lab, time: Clock) -> None:
    sync = people(lab)
    time.wait(days=3650)
    lab.run(sync)
    time.wait(days=-3650)
    assert lab.run(sync).requests == 0
    time.wait(days=27)
    assert lab.run(sync).refreshed == 200


class TestTurns:
    @settings(max_examples=10)
    @given(cycle=st.integers(1, 60), at=st.integers(0, 10**16), steps=st.lists(st.integers(1, 100), max_size=5))
    def test_a_turn_comes_once_in_a_cycle_and_no_run_leaves_one_out(self, cycle: int, at: int,
                                                                    steps: list[int]) -> None:
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE keys AS SELECT 'u' || i AS key, md5_number_lower('u' || i) AS place "
                               "FROM range(100) t(i)")
            for step in steps:
                turns = Refresh(max(at, at + step - cycle), at + step, cycle)
                for place, turn, due in connection.execute(
                        f"SELECT place % {cycle}, {turns.turn()}, {turns.due()} FROM keys").fetchall():
                    assert 1 <= turn <= cycle
                    assert (turns.since + turn - place) % cycle == 0
                    assert due == ((turns.until - place) // cycle > (turns.since - place) // cycle)
                at += step

    def test_the_time_is_kept_by_runs_that_are_up_to_a_tenth_of_it_apart(self) -> None:
        sync = Sync.model_construct(refresh=dt.timedelta(days=30))
        now = START + dt.timedelta(days=3)
        found = refresh_of(sync, START.isoformat(), now)
        assert found is not None
        assert dt.timedelta(microseconds=found.cycle) + (now - START) == dt.timedelta(days=30)


class Died(BaseException):
    """The process is killed."""


@dataclass
class Month:
    """A month of runs of one sync, and who was accepted when."""

    lab: Lab
    simulator: Simulator
    time: Clock
    sync: Sync
    accepted: dict[str, list[dt.datetime]] = field(default_factory=dict)
    seen: int = 0

    def run(self, how: str, part: int) -> None:
        """One run: ``well``, ``sample``, ``refused key`` half-way, or ``killed`` before its commit."""
        result = None
        if how == "refused key":
            self.simulator.fault("status", status=401, after=part, times=1)
        with mock.patch.object(Owner, "alive", return_value=False):
            if how == "killed":
                with mock.patch.object(claimed_push, "commit", side_effect=Died), suppress(Died):
                    self.lab.run(self.sync)
            else:
                result = self.lab.run(self.sync, sample=10 * part + 3 if how == "sample" else None)
        self.simulator.clear_faults()
        self._note(result)

    def _note(self, result: RunResult | None) -> None:
        messages = self.simulator.messages()[self.seen:]
        self.seen += len(messages)
        for message in messages:
            self.accepted.setdefault(message["payload"]["userId"], []).append(self.time.now)
        if result is not None:
            assert result.rows == result.added + result.changed + result.unchanged
            assert result.messages == result.added + result.changed + result.refreshed
            assert len(messages) == result.accepted


@settings(max_examples=2)
@given(st.lists(st.tuples(st.integers(2, 76), st.sampled_from(["well", "well", "sample", "refused key", "killed"]),
                          st.integers(0, 3), st.booleans()), min_size=5, max_size=7))
def test_in_a_month_with_crashes_each_row_goes_in_time_and_no_more_than_it_must(
        running_simulator: Simulator, runs: list[tuple[int, str, int, bool]]) -> None:
    running_simulator.reset()
    with tempfile.TemporaryDirectory() as folder, clock() as time:
        lab = Lab(Path(folder), running_simulator, batch_size=10, concurrency=1, max_attempts=1)
        month = Month(lab, running_simulator, time, people(lab, 60))
        month.run("well", 0)
        for hours, how, part, change in runs:
            time.wait(hours=hours)
            if change:
                lab.query(f"update people set plan = 'p{hours}' where n < 5")
            month.run(how, part)
            if how == "well":
                assert all(time.now - times[-1] < CYCLE + dt.timedelta(hours=1) for times in month.accepted.values())
        month.run("well", 0)
        assert lab.run(month.sync).requests == 0
        refreshed = lab.state(month.sync).current().refreshed
        assert refreshed is not None
        until, begin = dt.datetime.fromisoformat(refreshed), int(START.timestamp() * 1_000_000)
        turns = _turns(Refresh(begin, begin, CYCLE // dt.timedelta(microseconds=1)), until - START)
        assert {user: len(times) for user, times in month.accepted.items() if int(user[1:]) >= 5} == {
            user: 1 + count for user, count in turns.items() if int(user[1:]) >= 5}


def _turns(cycle: Refresh, time: dt.timedelta) -> dict[str, int]:
    """How often it was the turn of each user in so much time."""
    with duckdb.connect() as connection:
        firsts = connection.execute(f"SELECT key, {cycle.turn()} FROM (SELECT 'u' || i AS key FROM range(60) t(i))")
        return {key: (time - first) // CYCLE + 1 if (first := dt.timedelta(microseconds=turn)) <= time else 0
                for key, turn in firsts.fetchall()}
