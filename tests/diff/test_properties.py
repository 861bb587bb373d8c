"""For any tables and policies: after each run Candu and the snapshot are what plain Python says. Nothing is sent twice.

Schemas change from table to table: columns come and go, change their kind (number to text, instant to its ISO text)
and their SQL type; rows come, go and return; keys are null or appear twice.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.simulator import Simulator
from candu_sync.snapshot import row_index
from tests.support.lab import Lab
from tests.support.reference import Policies, Reference, Row, typed
from tests.support.snapshots import snapshot_rows

NEW_YEAR, MAY = dt.datetime(2026, 1, 1), dt.datetime(2026, 5, 1)

# A column of a table: its Arrow type, and the values that it may hold.
COLUMNS: list[tuple[pa.DataType, list[Any]]] = [
    (pa.string(), [None, "pro", "free", "", "2026-01-01T00:00:00Z", "5"]),
    (pa.int64(), [None, 0, 1, 5]),
    (pa.float64(), [None, 0.0, 1.0, 5.0, 5.5]),
    (pa.decimal128(10, 2), [None, Decimal("5.00"), Decimal("5.50")]),
    (pa.bool_(), [None, True, False]),
    (pa.timestamp("us"), [None, NEW_YEAR, MAY]),
    (pa.int32(), [None]),
]
TRAITS = ("plan", "seats", "score")

run_settings = settings(max_examples=6)


@st.composite
def tables(draw: st.DrawFn, ids: tuple[str, ...]) -> pa.Table:
    """A few rows; ids from a small set, null at times; one to three traits of any kind."""
    count = draw(st.integers(0, 6))
    columns = {name: pa.array(draw(st.lists(st.sampled_from([*"abc", None] if name == "user_id" else [*"gh", None]),
                                            min_size=count, max_size=count)), pa.string()) for name in ids}
    for name in draw(st.lists(st.sampled_from(TRAITS), min_size=1, unique=True)):
        type_, values = draw(st.sampled_from(COLUMNS))
        # The rows of a group, or of a user of several rows, agree more often than not.
        few = draw(st.lists(st.sampled_from(values), min_size=1, max_size=1 if len(ids) > 1 else 3))
        drawn = draw(st.lists(st.sampled_from(few), min_size=count, max_size=count))
        columns[name] = pa.array(drawn, type_)
    return pa.table(columns)


@st.composite
def policies(draw: st.DrawFn) -> Policies:
    nulls: list[str | Row] = ["send", "omit", {"plan": "none"}, {"plan": 0}]
    removed: list[str | Row] = ["keep", {"left": True}, {"plan": "gone", "left": 0}]
    return Policies(draw(st.sampled_from(["changed", "full"])), draw(st.sampled_from(nulls)),
                    draw(st.sampled_from(removed)))


def yaml_of(policies: Policies) -> str:
    return f"""guard: {{min_rows: 0}}
payload: {policies.payload}
nulls: {json.dumps(policies.nulls)}
removed: {json.dumps(policies.removed)}
"""


def rows_of(table: pa.Table) -> list[Row]:
    """The rows in Python, decimals as the doubles they are sent as."""
    return [{name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
            for row in table.to_pylist()]




def check_runs(simulator: Simulator, kind: str, ids: tuple[str, ...], policies: Policies,
               drawn: list[pa.Table]) -> None:
    simulator.reset()
    reference = Reference(policies, ids)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), simulator)
        key = "key: [user_id, org]\nomit: [org]\n" if "org" in ids else ""
        sync = lab.sync(f"{kind}/model", "select * from rows", key + yaml_of(policies))
        for table in drawn:
            if isinstance(policies.nulls, dict) and "plan" not in table.column_names:
                table = table.append_column("plan", pa.nulls(len(table), pa.string()))
            lab.table("rows", table)
            reference.run(rows_of(table), set(table.column_names))
            result = lab.run(sync)
            assert (result.error, result.accepted) == (None, reference.messages)
            assert typed(simulator.users() if kind == "users" else simulator.groups()) == typed(reference.candu())
            assert simulator.members() == reference.members
        assert _without_nulls(snapshot_rows(lab, sync)) == _without_nulls(
            {key: (known.traits, known.gone) for key, known in reference.known.items()})
        before = len(simulator.requests())
        again = lab.run(sync)
        assert (again.messages, again.removed, again.exit_code) == (0, 0, 4 if again.invalid else 0)
        assert len(simulator.requests()) == before


def _without_nulls(rows: dict[tuple[str, ...], tuple[Row, bool]]) -> dict[tuple[str, ...], tuple[Any, bool]]:
    return {key: (typed({"": {name: value for name, value in traits.items() if value is not None}}), gone)
            for key, (traits, gone) in rows.items()}


@run_settings
@given(policies(), st.lists(tables(("user_id",)), min_size=2, max_size=4))
def test_users(running_simulator: Simulator, policies: Policies, drawn: list[pa.Table]) -> None:
    check_runs(running_simulator, "users", ("user_id",), policies, drawn)


@run_settings
@given(st.lists(st.tuples(st.sampled_from(["send", "omit", {"plan": "none"}, {"plan": 0}]),
                          st.lists(st.sampled_from([None, "pro", "free"]), min_size=3, max_size=3)),
                min_size=2, max_size=5))
def test_nulls_that_candu_knows_end_as_the_last_run_says(running_simulator: Simulator,
                                                         runs: list[tuple[str | Row, list[str | None]]]) -> None:
    """Whatever ``nulls`` said in the runs before."""
    running_simulator.reset()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), running_simulator)
        for nulls, plans in runs:
            sync = lab.sync("users/model", "select * from rows", f"nulls: {json.dumps(nulls)}")
            lab.table("rows", user_id=["a", "b", "c"], plan=pa.array(plans, pa.string()), note=["x", "x", "x"])
            assert lab.run(sync).error is None
            for user, plan in zip("abc", plans, strict=True):
                held = running_simulator.users()[user]
                if plan is not None:
                    assert held["plan"] == plan
                elif "plan" in held and nulls != "omit":
                    assert held["plan"] == (nulls["plan"] if isinstance(nulls, dict) else None)
            assert lab.run(sync).requests == 0


@run_settings
@given(policies(), st.lists(tables(("user_id", "org")), min_size=2, max_size=4))
def test_users_of_several_rows(running_simulator: Simulator, policies: Policies, drawn: list[pa.Table]) -> None:
    check_runs(running_simulator, "users", ("user_id", "org"), policies, drawn)


@run_settings
@given(policies(), st.lists(tables(("group_id", "user_id")), min_size=2, max_size=4))
def test_groups(running_simulator: Simulator, policies: Policies, drawn: list[pa.Table]) -> None:
    check_runs(running_simulator, "groups", ("group_id", "user_id"), policies, drawn)


@pytest.mark.parametrize(("kind", "ids"), [("users", ("user_id",)), ("users", ("user_id", "org")),
                                          ("groups", ("group_id", "user_id"))])
@run_settings
@given(policies=policies(), data=st.data())
def test_keys_that_share_a_hash(running_simulator: Simulator, kind: str, ids: tuple[str, ...], policies: Policies,
                                data: st.DataObject) -> None:
    """Half of all keys have one hash, the others another: that costs time, and changes nothing."""
    with mock.patch.object(row_index, "KEY_HASH", "hash({0}) % 2"):
        check_runs(running_simulator, kind, ids, policies, data.draw(st.lists(tables(ids), min_size=2, max_size=4)))


@run_settings
@given(st.lists(st.lists(st.tuples(st.sampled_from([*"abcd", None]), st.sampled_from(["u", "v", None]),
                                   st.sampled_from(["x", "y"])), max_size=6), min_size=2, max_size=4))
def test_events(running_simulator: Simulator, drawn: list[list[tuple[str | None, str | None, str]]]) -> None:
    """Each id is sent once, by the first table in which only one row has it."""
    running_simulator.reset()
    expected: dict[str, tuple[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), running_simulator)
        sync = lab.sync("events/model", "select * from rows")
        for rows in drawn:
            lab.table("rows", pa.table({
                "event_id": pa.array([row[0] for row in rows], pa.string()),
                "user_id": pa.array([row[1] for row in rows], pa.string()),
                "event": pa.array([row[2] for row in rows], pa.string()),
                "timestamp": pa.array([NEW_YEAR] * len(rows), pa.timestamp("us"))}))
            lab.run(sync)
            for event_id, user, name in set(rows):
                alone = sum(row[0] == event_id for row in set(rows)) == 1
                if event_id is not None and user is not None and alone:
                    expected.setdefault(event_id, (user, name))
    arrived = [(event["user_id"], event["event"]) for event in running_simulator.events()]
    assert sorted(arrived) == sorted(expected.values())
