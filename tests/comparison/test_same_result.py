"""A small result that comes byte for byte as Candu has it is not compared, and a plan finds what it finds otherwise."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from candu_sync.changes import ChangeSet
from candu_sync.comparison import reading, same_result
from candu_sync.forgetting import forget, remember_again
from candu_sync.operate import maintenance
from candu_sync.rows import Result
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.both_ways import found
from tests.support.lab import Lab


@pytest.fixture
def lab(tmp_path: Path, simulator: Simulator) -> Lab:
    made = Lab(tmp_path, simulator)
    made.query("""
        create table people as
        select 'u' || i as user_id, i as seats, i * 1.5 as price, 'plan ' || i % 3 as plan, null::varchar as note,
            case i % 2 when 0 then i end as half,
            case i % 2 when 0 then 'a' else 'b' end::enum('a', 'b') as letter
        from range(1, 301) t(i)""")
    return made


def plan(lab: Lab, sync: Sync) -> tuple[ChangeSet, bool]:
    """The plan, which finds what a plan without digests finds; and whether it looked at rows."""
    with mock.patch.object(reading, "digest_of", return_value=None):
        usual = found(lab.plan(sync, keep=False))
    looked: list[object] = []
    batches = Result.batches

    def watched(result: Result, *arguments: Any) -> Any:
        looked.append(result)
        return batches(result, *arguments)

    with mock.patch.object(Result, "batches", watched):
        changes = lab.plan(sync, keep=False)
    assert found(changes) == usual
    return changes, bool(looked)


def sent(lab: Lab, yaml: str = "", sql: str = "select * from people", name: str = "users/people") -> Sync:
    sync = lab.sync(name, sql, yaml)
    assert lab.run(sync).status == "succeeded"
    return sync


def test_a_result_as_it_was_is_not_compared(lab: Lab) -> None:
    sync = sent(lab)
    changes, looked = plan(lab, sync)
    assert (looked, changes.folder, changes.summary.unchanged, changes.rows_read) == (False, None, 300, 300)
    result = lab.run(sync)
    assert (result.status, result.unchanged, result.requests) == ("succeeded", 300, 0)


@pytest.mark.parametrize(("change", "messages"), [
    ("update people set seats = -1 where user_id = 'u3'", 1),
    ("update people set half = 0 where user_id = 'u3'", 1),
    ("update people set note = '' where user_id = 'u3'", 1),
    ("delete from people where user_id = 'u300'", 0),
    ("insert into people by name select 'v' as user_id, 1 as seats", 1),
    ("alter table people rename seats to places", 300),
    ("alter table people drop seats", 0),
    # As many values, and the same numbers of them: only their names differ.
    ("alter table people alter letter type enum('b', 'a') using (case letter when 'a' then 'b' else 'a' end)", 300),
    # No value is another one.
    ("alter table people alter seats type decimal(20, 2)", 0),
    ("create or replace table people as from people order by user_id desc", 0),
])
def test_any_change_is_found(lab: Lab, change: str, messages: int) -> None:
    sync = sent(lab)
    lab.query(change)
    changes, looked = plan(lab, sync)
    assert (looked, changes.summary.messages) == (True, messages)


@pytest.mark.parametrize("yaml", ["omit: [note]", "nulls: {half: 0}", "nulls: omit", "rename: {plan: tier}",
                                  "timezone: Europe/Paris", "refresh: 30 days"])
def test_other_settings_are_looked_at(lab: Lab, yaml: str) -> None:
    sent(lab)
    assert plan(lab, lab.sync("users/people", "select * from people", yaml))[1]


def test_another_model_of_the_same_rows_need_not_be_compared(lab: Lab) -> None:
    model = "select trim(user_id) as user_id, * exclude (user_id) from people"
    sent(lab, sql=model)
    assert not plan(lab, lab.sync("users/people", f"{model} where true"))[1]
    # But what identifies a row is another expression.
    assert plan(lab, lab.sync("users/people", model.replace("trim", "ltrim")))[1]


@pytest.mark.parametrize("rows", [
    "select null as user_id", "select 'u1' as user_id, 5 as seats", "select 'v' as user_id, 'nan'::double as price"])
def test_rows_that_are_set_aside_or_changed_are_looked_at(lab: Lab, rows: str) -> None:
    lab.query("alter table people alter price type double")
    lab.query(f"insert into people by name {rows}")
    sync = lab.sync("users/people", "select * from people")
    lab.run(sync)
    assert lab.state(sync).current().result is None
    assert plan(lab, sync)[1]


def test_what_candu_did_not_accept_is_looked_at(lab: Lab, simulator: Simulator) -> None:
    sync = lab.sync("users/people", "select * from people")
    lab.run(sync, sample=100)
    assert plan(lab, sync)[0].summary.messages == 200
    lab.run(sync)
    assert not plan(lab, sync)[1]
    simulator.fault("refuse", user_ids=["u2"])
    lab.query("update people set seats = -1 where user_id = 'u2'")
    assert lab.run(sync).refused == 1
    assert plan(lab, sync)[0].summary.held == 1
    with lab.project() as project:
        maintenance.retry(Target(project, sync, None))
    assert plan(lab, sync)[0].summary.messages == 1


def test_a_baseline_takes_the_result(lab: Lab) -> None:
    sync = lab.sync("users/people", "select * from people")
    with lab.project() as project:
        maintenance.baseline(Target(project, sync, None))
    assert not plan(lab, sync)[1]


def test_a_person_who_was_forgotten_and_comes_back_is_sent(lab: Lab) -> None:
    """The result is as it was, and the settings too; but the snapshot does not have the row any more."""
    sync = sent(lab)
    with lab.project() as project:
        forget(project, {sync.name: sync}, "u7")
        assert plan(lab, sync)[0].summary.forgotten == 1
        assert remember_again(project, "u7")
    changes, _ = plan(lab, sync)
    assert (changes.summary.added, changes.summary.messages) == (1, 1)


def test_a_large_result_has_no_digest(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_result, "MOST_ROWS", 299)
    sync = sent(lab)
    assert lab.state(sync).current().result is None
    monkeypatch.setattr(same_result, "MOST_ROWS", 300)
    monkeypatch.setattr(same_result, "MOST_BYTES", 100)
    assert plan(lab, sync)[1]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC"), pa.string()])
def test_what_stands_in_the_place_of_a_null_is_not_looked_at(kind: pa.DataType) -> None:
    def batch(left: int) -> pa.RecordBatch:
        values = pa.array([1, 1, 1, left, left], pa.int64() if kind != pa.string() else pa.int32())
        data = [values.buffers()[1]] if kind != pa.bool_() else [pa.py_buffer(bytes([0b00111 | left << 3]))]
        if kind == pa.string():
            data = [pa.py_buffer(pa.array([0, 1, 2, 3, 3 + left, 3 + 2 * left], pa.int32()).buffers()[1]),
                    pa.py_buffer(b"abc" + b"d" * 2 * left)]
        # Three rows with values, two nulls; the other bits are of no row.
        column = pa.Array.from_buffers(kind, 5, [pa.py_buffer(bytes([0b00111 | left << 5])), *data])
        return pa.record_batch({"x": column})

    one, other = batch(1), batch(3)
    assert one.equals(other)
    assert one.serialize() != other.serialize()
    assert same_result._in_bytes(one) == same_result._in_bytes(other)


def test_events_have_none(lab: Lab) -> None:
    sync = sent(lab, name="events/seen", sql="select user_id as event_id, user_id, 'seen' as event, "
                                             "timestamp '2026-01-01' as timestamp from people")
    assert lab.state(sync).current().result is None


VALUES = [("seats", ["1", "2", "null", "9007199254740993"]), ("price", ["1.0", "2.5", "null", "'nan'"]),
          ("plan", ["'a'", "'A'", "''", "null"]), ("seen", ["'2026-01-05 12:30Z'", "'infinity'", "null"])]
ROWS = st.lists(st.tuples(st.sampled_from(["'a'", "'b'", "'c'", "''", "null"]),
                          *(st.sampled_from(values) for _, values in VALUES)), min_size=1, max_size=5)


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(tables=st.lists(ROWS, min_size=2, max_size=2),
       yaml=st.sampled_from(["", "nulls: omit", "removed: {member: false}", "nulls: {plan: none}", "payload: full"]),
       group=st.booleans())
def test_any_tables_give_the_same_plans(lab: Lab, tables: list[list[tuple[str, ...]]], yaml: str, group: bool) -> None:
    lab.query("create or replace table made (user_id varchar, seats bigint, price double, plan varchar, "
              "seen timestamptz)")
    kind, column = ("groups", ", 'g' as group_id") if group else ("users", "")
    sync = lab.sync(f"{kind}/t{uuid.uuid4().hex[:8]}", f"select *{column} from made", yaml)
    # More rows than are compared without the engine.
    stays = "select 's' || i, i, i, 'p', null from range(100) t(i)"
    for rows in [*tables, tables[-1]]:
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        lab.query(f"truncate made; insert into made {stays}; insert into made values {values}")
        changes, _ = plan(lab, sync)
        assert lab.run(sync, force=True).messages == changes.summary.messages
    assert plan(lab, sync)[0].summary.messages == 0
