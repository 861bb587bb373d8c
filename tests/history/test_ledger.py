"""The ledger says what became of each row that was sent, and says it once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from candu_sync import Target, embedded
from candu_sync.arrow_rows import read_batches
from candu_sync.history import DigestFile, HistoryQuery, ledger, search, search_history
from candu_sync.history.digests import Digests
from candu_sync.operate import maintenance
from candu_sync.simulator import Simulator
from candu_sync.syncs import Sync
from tests.support.elsewhere import run_killed
from tests.support.lab import Lab

Row = dict[str, Any]


def rows(lab: Lab, sync: Sync, partition: str | None = None, **query: Any) -> list[Row]:
    return list(search_history([lab.state(sync, partition)], HistoryQuery(**query)))


def of_user(lab: Lab, sync: Sync, user: str) -> list[Row]:
    return rows(lab, sync, user_id=user)


def test_a_user_has_a_row_for_each_message(lab: Lab, simulator: Simulator) -> None:
    lab.table("people", user_id=["u1", "u2"], plan=["free", "free"], seats=[1, 2])
    sync = lab.sync("users/profile", "select * from people")
    first = lab.run(sync)
    lab.query("update people set plan = 'pro' where user_id = 'u1'")
    second = lab.run(sync)
    delivered = of_user(lab, sync, "u1")
    assert [row["traits"] for row in delivered] == [{"plan": None}, {"plan": None, "seats": None}]
    assert [row["run_id"] for row in delivered] == [second.run_id, first.run_id]
    assert {(row["sync"], row["partition"], row["key"], row["user_id"], row["type"], row["outcome"], row["attempts"])
            for row in delivered} == {("users/profile", None, "u1", "u1", "identify", "accepted", 1)}
    assert all(dt.datetime.fromisoformat(row["at"]) <= dt.datetime.now(dt.UTC) for row in delivered)


def test_of_a_user_one_row_group_is_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the ids are; rows without a user are found by their key, too."""
    monkeypatch.setattr(ledger, "ROW_GROUP", 10)
    ids = [*(f"u{n}" for n in range(60)), *"ABcé中𝒳~", "a" * 300, "B" * 300]
    lab.table("people", user_id=ids, plan=["pro"] * len(ids))
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    [name] = [name for name in lab.state(sync).store.list("") if name.endswith(".parquet")]
    with parquet.ParquetFile(lab.folder / "state" / name) as file:
        assert file.metadata.num_row_groups == -(-len(ids) // 10)
        for user in ids:
            assert len(search._row_groups(file, HistoryQuery(user_id=user))) == 1
        assert search._row_groups(file, HistoryQuery(user_id="0")) == []
    assert [row["user_id"] for user in ids for row in of_user(lab, sync, user)] == ids
    lab.query("create table visits as select 'e' || i as event_id, if(i = 7, null, 'u' || i) as user_id, 'x' as event, "
              "timestamp '2026-11-01' as timestamp from range(30) t(i)")
    events = lab.sync("events/visits", "select * from visits")
    lab.run(events)
    assert [row["outcome"] for row in of_user(lab, events, "e7")] == ["invalid"]


@pytest.mark.parametrize("few", [500, 4, 0])
def test_digests_are_given_to_the_messages_that_have_one(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """A few stay in memory, more are in a file."""
    monkeypatch.setattr(embedded, "FEW_ROWS", few)
    digests = [bytes([n]) * 16 for n in range(9)]
    with DigestFile(lambda: tmp_path) as file:
        for part in ([0, 1, 2], [3], [5, 6], [8]):
            file.add(pa.record_batch({"message": part, "digest": [digests[n] for n in part]}))
    assert bool(list(tmp_path.iterdir())) == (few < 7)
    found = Digests(file.batches())
    assert found.of(pa.array([], pa.int64())).to_pylist() == []
    for part in ([0, 1], [2, 4, 5], [6], [7, 8, 9], [10]):
        assert found.of(pa.array(part)).to_pylist() == [
            digests[n] if n in (0, 1, 2, 3, 5, 6, 8) else None for n in part]
    assert Digests(None).of(pa.array([3])).to_pylist() == [None]


def test_its_message_ids_are_those_that_candu_received(lab: Lab, simulator: Simulator) -> None:
    lab.table("people", user_id=[f"u{n}" for n in range(30)], plan=["free"] * 30)
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    received = {message["user_id"]: message["message_id"] for message in simulator.messages()}
    assert {row["user_id"]: row["message_id"] for row in rows(lab, sync)} == received


def test_without_message_ids_there_are_none(lab: Lab) -> None:
    lab.overrides["message_id"] = "false"
    lab.table("people", user_id=["u1"], plan=["free"])
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    assert [row["message_id"] for row in rows(lab, sync)] == [None]


def test_values_are_kept_where_a_sync_wants_them(lab: Lab) -> None:
    lab.table("people", user_id=["u1"], plan=["free"], seats=[1.5], admin=[True], since=[dt.datetime(2026, 5, 1)])
    sync = lab.sync("users/profile", "select * from people", "history: values")
    lab.run(sync)
    lab.query("update people set plan = 'pro', seats = null")
    lab.run(sync)
    newest, oldest = of_user(lab, sync, "u1")
    assert newest["traits"] == {"plan": ["free", "pro"], "seats": [1.5, None]}
    assert oldest["traits"] == {"plan": [None, "free"], "seats": [None, 1.5], "admin": [None, True],
                                "since": [None, "2026-05-01T00:00:00Z"]}


def test_no_value_is_in_a_ledger_of_names(lab: Lab) -> None:
    lab.table("people", user_id=["u1"], plan=["secret plan"])
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    lab.query("update people set plan = 'another secret'")
    lab.run(sync)
    files = [path.read_bytes() for path in (lab.folder / "state").rglob("history/*")]
    assert files
    assert not any(b"secret" in content for content in files)


@pytest.mark.parametrize(("yaml", "days"), [("history: none", "90"), ("", "0")])
def test_there_is_none_if_it_is_off(lab: Lab, yaml: str, days: str) -> None:
    lab.overrides["history"] = days
    lab.table("people", user_id=["u1"], plan=["free"])
    sync = lab.sync("users/profile", "select * from people", yaml)
    lab.run(sync)
    assert not list((lab.folder / "state").rglob("history"))


def test_a_refused_row_says_why(lab: Lab, simulator: Simulator) -> None:
    lab.table("people", user_id=["u1", "u2", "u3"], plan=["a", "b", "c"])
    simulator.fault("refuse", status=422, user_ids=["u2"])
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    assert {row["user_id"]: row["outcome"] for row in rows(lab, sync)} == {
        "u1": "accepted", "u2": "refused", "u3": "accepted"}
    [refused] = rows(lab, sync, outcome="refused")
    assert refused["status"] == 422
    assert "422" in refused["reason"]
    assert refused["attempts"] > 1  # with its neighbours first, then alone


def test_an_invalid_row_enters_once_until_its_reason_changes(lab: Lab) -> None:
    lab.table("people", user_id=["u1", "u2"], seats=[1, 2**60])
    sync = lab.sync("users/profile", "select * from people")
    for seats in (2, 3):
        lab.run(sync)
        lab.query(f"update people set seats = {seats} where user_id = 'u1'")
    [invalid] = rows(lab, sync, outcome="invalid")
    assert (invalid["user_id"], invalid["reason"]) == ("u2", "seats: integer beyond 2^53")


def test_a_run_with_nothing_but_invalid_rows(lab: Lab) -> None:
    lab.table("people", user_id=["u1", ""], seats=[1, 2])
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    lab.query("update people set seats = 1152921504606846976 where user_id = 'u1'")
    lab.run(sync)
    assert {row["reason"] for row in rows(lab, sync, outcome="invalid")} >= {"blank key"}


def test_events_and_groups(lab: Lab) -> None:
    lab.query("create table acts as select 'e1' as event_id, 'u1' as user_id, 'Ordered' as event, "
              "timestamp '2026-11-01' as timestamp, 5 as amount")
    lab.query("create table members as select * from (values ('g1', 'u1', 'pro'), ('g1', 'u2', 'pro')) "
              "t(group_id, user_id, plan)")
    events, groups = lab.sync("events/acts", "select * from acts"), lab.sync("groups/all", "select * from members")
    lab.run(events)
    lab.run(groups)
    [event] = of_user(lab, events, "u1")
    assert (event["type"], event["event"], event["key"]) == ("track", "Ordered", "e1")
    assert event["traits"] == {"amount": None}
    assert [(row["type"], row["group_id"], row["user_id"]) for row in of_user(lab, groups, "u2")] == [
        ("group", "g1", "u2")]


def test_more_than_sixty_four_traits(lab: Lab) -> None:
    columns = ", ".join(f"{n} as t_{n}" for n in range(130))
    lab.query(f"create table wide as select 'u1' as user_id, {columns}")
    sync = lab.sync("users/wide", "select * from wide")
    lab.run(sync)
    [row] = rows(lab, sync)
    assert list(row["traits"]) == [f"t_{n}" for n in range(130)]


def test_a_baseline_sends_nothing_and_is_no_history(lab: Lab) -> None:
    lab.table("people", user_id=["u1"], plan=["free"])
    sync = lab.sync("users/profile", "select * from people")
    with lab.project() as project:
        maintenance.baseline(Target(project, sync))
    assert rows(lab, sync) == []


def test_a_reset_forgets_the_snapshot_and_not_what_was_sent(lab: Lab) -> None:
    lab.table("people", user_id=["u1"], plan=["free"])
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    with lab.project() as project:
        maintenance.reset(Target(project, sync))
    lab.run(sync)
    assert [row["outcome"] for row in of_user(lab, sync, "u1")] == ["accepted", "accepted"]


def test_a_killed_run_is_in_it_after_recovery_each_row_once(lab: Lab, simulator: Simulator) -> None:
    lab.overrides |= {"batch_size": 10}
    lab.query("create table people as select 'u' || i as user_id, 'free' as plan from range(300) t(i)")
    sync = lab.sync("users/model", "select * from people")
    run_killed(lab, sync, simulator, 6)
    lab.run(sync)
    accepted = [row["user_id"] for row in rows(lab, sync, outcome="accepted")]
    assert len(set(accepted)) == 300
    # The messages in flight at the kill were sent again; no other row was accepted twice.
    assert len(accepted) - len(set(accepted)) <= 20
    by_run = {(row["run_id"], row["user_id"], row["outcome"]) for row in rows(lab, sync)}
    assert len(by_run) == len(rows(lab, sync))
    received = {message["message_id"] for message in simulator.messages()}
    assert {row["message_id"] for row in rows(lab, sync, outcome="accepted")} <= received


def test_a_sample_and_the_rest_are_two_runs(lab: Lab) -> None:
    lab.table("people", user_id=[f"u{n}" for n in range(20)], plan=["free"] * 20)
    sync = lab.sync("users/profile", "select * from people")
    assert lab.run(sync, sample=5).accepted == 5
    assert lab.run(sync).accepted == 15
    assert sorted(row["user_id"] for row in rows(lab, sync)) == sorted(f"u{n}" for n in range(20))


@pytest.mark.parametrize("mode", ["names", "values"])
def test_more_rows_than_are_sorted_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """They are in parts, each in order. Each row is there once, is found, and has its old value."""
    monkeypatch.setattr(ledger, "most_rows", lambda _: 1)
    monkeypatch.setattr(ledger, "is_few", lambda _: False)
    monkeypatch.setattr(ledger, "ROW_GROUP", 5)
    monkeypatch.setattr("candu_sync.history.sent_rows.read_batches", in_small_batches)
    users = [f"u{7 * n % 50}" for n in range(50)]
    lab.table("people", user_id=[*users, None], plan=["free"] * 51)
    sync = lab.sync("users/profile", "select * from people", f"history: {mode}")
    lab.run(sync)
    lab.query("update people set plan = 'pro'")
    lab.run(sync)
    found = rows(lab, sync)
    assert sorted(row["user_id"] or "" for row in found) == sorted([*users, *users, ""])
    assert [len(of_user(lab, sync, user)) for user in users] == [2] * 50
    if mode == "values":
        assert all(of_user(lab, sync, user)[0]["traits"]["plan"] == ["free", "pro"] for user in users)


def in_small_batches(*arguments: Any) -> Any:
    for batch in read_batches(*arguments):
        yield from (batch.slice(start, 7) for start in range(0, batch.num_rows, 7))
