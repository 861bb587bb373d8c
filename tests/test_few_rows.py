"""A run of a few new rows works without the engine: all that it sends and writes is the same as by the engine's SQL."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from candu_sync.simulator import Simulator
from tests.support.engine import by_the_engine
from tests.support.lab import Lab
from tests.support.whole_run import differences, each_way

KINDS: dict[str, str] = {
    "users": "select user_id, * exclude (user_id) from rows",
    "groups": "select user_id, 'g' || length(user_id) as group_id, active from rows",
    "events": "select user_id || rank as event_id, user_id, 'seen' as event, moment as timestamp, "
              "* exclude (user_id, moment) from rows where moment is not null",
}
YAML = {
    "users": ["", "nulls: omit", "{nulls: {plan: none}, removed: {member: false, score: 0}}", "preview: values",
              "{preview: none, payload: full}", "{key: [user_id, rank], removed: {member: false}}", "history: values",
              "refresh: 30 days"],
    "groups": ["", "nulls: omit"],
    "events": ["", "history: none"],
}

# "bad" is refused.
IDS = st.sampled_from(["u1", "u2", "U1", " u3", "bad", "é", "É", "x@example.com", "", "u4\t"])
ROW = st.fixed_dictionaries({
    "user_id": IDS, "rank": st.integers(0, 2),
    "plan": st.none() | st.sampled_from(["pro", 'it"s', "x\x1b\u2028", "ü" * 16_100]),
    "score": st.none() | st.sampled_from([0.1, -0.0, 1e22, 5e-324, 3.0, float("nan")]),
    "seats": st.none() | st.integers(0, 5) | st.just(2**53 + 1), "active": st.none() | st.booleans(),
    "moment": st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(2400, 1, 1))})
SCHEMA = pa.schema([("user_id", pa.string()), ("rank", pa.int64()), ("plan", pa.string()), ("score", pa.float64()),
                    ("seats", pa.int64()), ("active", pa.bool_()), ("moment", pa.timestamp("us"))])


@given(kind=st.sampled_from(["users", "users", "groups", "events"]), data=st.data(),
       rows=st.lists(ROW, min_size=1, max_size=6, unique_by=lambda row: row["user_id"]),
       later=st.lists(ROW, max_size=4))
# A run takes too long to look for the smallest example.
@settings(max_examples=5, phases=[Phase.generate])
def test_a_first_run_and_the_next_are_the_same(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator,
                                               kind: str, data: st.DataObject, rows: list[dict[str, Any]],
                                               later: list[dict[str, Any]]) -> None:
    lab = Lab(tmp_path_factory.mktemp("few"), simulator, batch_size=3)
    # Some rows stay as they are, others change, come or go.
    tables = [pa.Table.from_pylist(found, schema=SCHEMA) for found in (rows, rows[:3] + later, rows[:3] + later)]
    sync = lab.sync(f"{kind}/model", KINDS[kind], data.draw(st.sampled_from(YAML[kind])) or "guard: {min_rows: null}")
    engine, few = each_way(lab, sync, simulator, tables, [by_the_engine, nullcontext])
    assert list(differences(engine, few)) == []
