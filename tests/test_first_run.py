"""A first run that writes its change set while rows come finds, says, sends and writes what the general way does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from candu_sync import arrow_rows, embedded, pipeline
from candu_sync.changes import BASE_INDEX, discard, first_run
from candu_sync.errors import ModelError
from candu_sync.forgetting.tombstone_files import lift_tombstone, put_tombstone
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from candu_sync.warehouse import query
from tests.support.engine import by_the_engine
from tests.support.lab import Lab
from tests.support.whole_run import bare, content, differences, each_way

YAML = ["", "nulls: omit", "{nulls: {plan: none, note: 5}, removed: {member: false, seats: gone}}", "preview: values",
        "{preview: none, payload: full}", "{key: rank, history: values}", "{refresh: 30 days, history: none}",
        "omit: [rank]", "{rename: {plan: email}}", "nulls: {nobody: none}", "guard: {max_invalid: 0}"]

# "bad" is refused; two ids differ by case only, one has spaces.
IDS = st.sampled_from(["u1", "u2", "u3", "U1", " u3", "bad", "é", "É", "x@example.com", "ffi"]) | st.integers(
    10, 99).map(str)
SEVERAL = st.one_of(IDS, IDS, IDS, st.sampled_from([None, "", "u4\t"]))

# A column of the model: its type, and its values, some of which cannot be sent, or make a message too large.
COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "plan": (pa.string(), [None, "pro", "free", "", 'it"s', "x\x1b\u2028", "2026-01-01T00:00:00Z"]),
    "note": (pa.large_string(), [None, None, None, "n", "ü" * 100]),
    "letter": (pa.string(), [None, "a", "a", "x" * 32_000, "\x01" * 6_000]),
    "seats": (pa.int64(), [None, 0, 5, 2**53, 2**53 + 1]),
    "score": (pa.float64(), [None, 0.1, -0.0, 1e22, 5e-324, float("nan"), float("inf")]),
    "billed": (pa.decimal128(12, 2), [None, Decimal("5.00"), Decimal("5.50")]),
    "active": (pa.bool_(), [None, True, False]),
    "moment": (pa.timestamp("us"), [None, dt.datetime(1, 1, 1), dt.datetime(2026, 5, 1, 1, 2, 3, 4)]),
    "zoned": (pa.timestamp("us", "UTC"), [None, dt.datetime(2026, 5, 1, tzinfo=dt.UTC)]),
    "day": (pa.date32(), [None, dt.date(2026, 5, 1)]),
    "empty": (pa.int32(), [None]),
    "tags": (pa.list_(pa.string()), [None, None, None, ["a"]]),
    "bytes": (pa.binary(), [None, b"\xff"]),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Rows, in most tables with an id each that can be sent."""
    plain = draw(st.booleans())
    users = draw(st.lists(IDS if plain else SEVERAL, min_size=1, max_size=9, unique=plain))
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), max_size=4, unique=True))
    columns: dict[str, pa.Array] = {"user_id": pa.array(users, pa.string()),
                                    "rank": pa.array(range(len(users)), pa.int64()),
                                    **({} if "plan" in names else {"plan": pa.nulls(len(users), pa.string())}),
                                    **({} if "note" in names else {"note": pa.array(["n"] * len(users))})}
    for name in names:
        type_, values = COLUMNS[name]
        few = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
        columns[name] = pa.array(draw(st.lists(st.sampled_from(few), min_size=len(users), max_size=len(users))), type_)
    return pa.table(columns)


def mixed(users: list[str | None], rank: list[int] | None = None, **columns: list[Any]) -> pa.Table:
    """Rows of a table that an example names."""
    given = {name: pa.array(values, COLUMNS[name][0]) for name, values in columns.items()}
    nothing = {"plan": pa.nulls(len(users), pa.string()), "note": pa.array(["n"] * len(users))}
    return pa.table({"user_id": pa.array(users, pa.string()), "rank": rank or list(range(len(users))),
                     **nothing, **given})


@contextmanager
def in_small_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow_rows, "_LEAST_ROWS", 1)
        patch.setattr(arrow_rows, "_ROWS_A_VALUE", 1)
        patch.setattr(first_run, "_LEAST", 2)
        patch.setattr(first_run, "_MOST", 3)
        patch.setattr(query, "BATCH_ROWS", 2)
        yield


@contextmanager
def streamed() -> Iterator[None]:
    """Not even one row is few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "FEW_ROWS", 0)
        yield


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("first"))


@given(tables(), st.sampled_from(YAML), st.booleans())
@example(mixed(["u1", "u2", "u3", "u4", "u5"], seats=[None, None, None, 5, None]), "", False)  # a late first value
@example(mixed(["u1", "u2", None, None, "u3"], seats=[2**53 + 1, 5, 5, 5, 5]), "", False)
@example(mixed(["u1", "u2", "u1"], rank=[7, 8, 7]), "", False)  # two equal rows
@example(mixed(["u1", "u2", "u1"]), "", False)
@example(mixed(["u1", "u2", "u1"], seats=[2**53 + 1, 5, 5]), "", False)  # one of the key is set aside already
@example(mixed(["u1", "u2"], letter=["a", "x" * 32_000]), "", False)
@example(mixed(["u1", "u2"], rank=[1, 1]), "key: rank", False)
@example(mixed(["u1"], seats=[2**53 + 1]), "", False)  # no row is left
@settings(max_examples=15)
def test_a_plan_is_that_of_the_general_way(lab: Lab, rows: pa.Table, yaml: str, forgotten: bool) -> None:
    lab.table("rows", rows)
    sync = lab.sync("users/model", "select * from rows", yaml)
    with in_small_batches(), lab.project() as project:
        for user in ("u1", "U1"):
            if forgotten:
                put_tombstone(project.state, user, finished=True)
            else:
                lift_tombstone(project.state, user)
        general, stream = (planned(Target(project, sync), way) for way in (by_the_engine, streamed))
    assert list(differences(general, stream)) == []


def planned(target: Target, way: Callable[[], AbstractContextManager[None]]) -> dict[str, Any]:
    """What a plan says and writes."""
    with way(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "new_run_id", lambda: "20261101T060000-1a2b3c4d")
        try:
            changes = pipeline.plan(target, keep=False)
        except ModelError as error:
            return {"error": str(error)}
        assert changes.folder is not None
        try:
            return {"plan": bare(changes.body()), "files": {
                path.name: content(path) for path in changes.folder.iterdir() if path.name != BASE_INDEX}}
        finally:
            discard(changes)


RUNS = {
    "all are accepted": (mixed(["u1", " u2", "U1", None], seats=[None, 5, 2**53 + 1, 1]), ""),
    "one is refused, and rows are refreshed": (mixed(["u1", "bad", "u3"], moment=[None, None, dt.datetime(2026, 1, 1)]),
                                               "{refresh: 30 days, history: values}"),
    "a user has no trait": (mixed(["u1", "u2", "u3"]), "omit: [rank, plan, note]"),
}


@pytest.mark.parametrize(("rows", "yaml"), RUNS.values(), ids=RUNS)
def test_a_run_and_the_next_are_those_of_the_general_way(tmp_path: Path, simulator: Simulator, rows: pa.Table,
                                                         yaml: str) -> None:
    lab = Lab(tmp_path, simulator, batch_size=3)
    sync = lab.sync("users/model", "select * from rows", yaml)
    general, stream = each_way(lab, sync, simulator, [rows, rows], [by_the_engine, streamed])
    assert general[0]["messages"] or "omit" in yaml
    assert list(differences(general, stream)) == []


def test_memory_is_given_back_while_rows_come(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[None] = []
    monkeypatch.setattr(first_run, "give_memory_back", lambda: given.append(None))
    monkeypatch.setattr(first_run, "_GIVEN_BACK", 4)
    lab.table("nine", mixed([f"u{n}" for n in range(9)]))
    sync = lab.sync("users/nine", "select * from nine")
    with in_small_batches(), streamed(), lab.project() as project:
        pipeline.plan(Target(project, sync), keep=False)
    assert len(given) == 2
