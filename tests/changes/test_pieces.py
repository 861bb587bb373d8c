"""SQL in one step: the bytes are those of a message that plain Python builds, whichever traits the rows carry."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from candu_sync.changes import messages
from candu_sync.changes.few_messages import in_array, messages_of_few
from candu_sync.changes.messages import Encoding, Identity, encode
from candu_sync.changes.pieces import Carried, uuid_text
from candu_sync.embedded import open_embedded
from candu_sync.rows import Trait, ValueKind

TYPES = {ValueKind.TEXT: pa.string(), ValueKind.NUMBER: pa.float64(), ValueKind.BOOLEAN: pa.bool_(),
         ValueKind.INSTANT: pa.timestamp("s")}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES: dict[ValueKind, st.SearchStrategy[Any]] = {
    ValueKind.TEXT: TEXTS, ValueKind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    ValueKind.BOOLEAN: st.booleans(), ValueKind.INSTANT: st.datetimes().map(lambda at: at.replace(microsecond=0))}
NAMES = st.sampled_from(["plan", "a'b", 'with "quotes"', "a\nb", "😀"])
KINDS = st.sampled_from(list(TYPES))

# What the rows say of a name: each carries it, none does, or some.
FLAGS = st.sampled_from([st.just(True), st.just(False), st.booleans()])


@st.composite
def rows_of(draw: st.DrawFn) -> tuple[Encoding, pa.RecordBatch]:
    """Some rows and how they become messages; a name may have been of two kinds."""
    named = draw(st.lists(st.tuples(NAMES, KINDS), min_size=1, max_size=6, unique=True))
    encoding = Encoding(draw(st.sampled_from(["users", "groups", "events"])),
                        tuple(Trait(name, kind) for name, kind in named),
                        draw(st.sampled_from([None, Identity(uuid.UUID(int=7), "it's\n\n3")])))
    count = draw(st.integers(1, 5))

    def column(values: st.SearchStrategy[Any], type_: pa.DataType) -> pa.Array:
        return pa.array(draw(st.lists(values, min_size=count, max_size=count)), type_)

    columns = {"message": pa.array(range(count), pa.int64()),
               **{name: column(TEXTS, pa.string()) for name in ("key", "user_id", "group_id", "event")},
               "occurred": column(VALUES[ValueKind.INSTANT], pa.timestamp("us"))}
    for n, trait in enumerate(encoding.traits):
        columns[f"t{n}"] = column(st.none() | VALUES[trait.kind], TYPES[trait.kind])
    for n in range(len(encoding.names)):
        columns[f"c{n}"] = column(draw(FLAGS), pa.bool_())
    return encoding, pa.record_batch(columns)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_embedded(10**8) as connection:
        yield connection


@settings(max_examples=60)
@given(rows_of(), st.integers(1, 5))
def test_the_bytes_are_those_of_plain_python_whatever_is_carried(
        connection: duckdb.DuckDBPyConnection, made: tuple[Encoding, pa.RecordBatch], size: int) -> None:
    encoding, rows = made
    parts = [rows.slice(start, size) for start in range(0, rows.num_rows, size)]
    sent = pa.Table.from_batches(encode(connection, encoding, parts))
    known = in_array(messages_of_few(encoding, rows)).to_pylist()
    assert sent.to_pylist() == known
    # Where nothing is known of the rows, the bytes are the same.
    connection.register("the_rows", rows)
    assert connection.sql(encoding.messages("the_rows", after=",")).to_arrow_table().to_pylist() == known


def test_members_stand_in_their_order_with_commas_between_them(connection: duckdb.DuckDBPyConnection) -> None:
    encoding = Encoding("users", tuple(Trait(name, ValueKind.NUMBER) for name in "abc"))
    for kinds in itertools.product(("all", "none", "some"), repeat=3):
        flags = {"all": [True, True], "none": [False, False], "some": [True, False]}
        rows = pa.record_batch({
            "message": [0, 1], "user_id": ["u", "v"], "key": ["u", "v"], **{f"t{n}": [1.0, 2.0] for n in range(3)},
            **{f"c{n}": flags[kind] for n, kind in enumerate(kinds)}})
        bodies = [body for batch in encode(connection, encoding, [rows]) for body in batch["body"].to_pylist()]
        for row, (user, value) in enumerate([("u", 1), ("v", 2)]):
            carried = ",".join(f'"{name}":{value}' for n, name in enumerate("abc") if rows[f"c{n}"][row].as_py())
            assert bodies[row] == f'{{"type":"identify","userId":"{user}","traits":{{{carried}}}}},'


def test_what_rows_carry_is_counted_over_all_batches() -> None:
    first = pa.record_batch({"c0": [True], "c1": [False], "c2": [True]})
    other = pa.record_batch({"c0": [True], "c1": [False], "c2": pa.array([None], pa.bool_())})
    assert Carried.by([first, other], 3) == Carried(by_all=frozenset({0}), by_none=frozenset({1}))


def test_several_batches_are_one_query_within_bounds(
        connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.record_batch({"message": [0], "user_id": ["u"], "key": ["u"], "t0": ["x"], "c0": [True]})
    encoding = Encoding("users", (Trait("plan", ValueKind.TEXT),))

    def queries(batches: int) -> int:
        return len(list(messages.together([rows] * batches)))

    assert [queries(count) for count in (0, 1, 4, 5, 9)] == [0, 1, 1, 2, 3]
    monkeypatch.setattr(messages, "TOGETHER_BYTES", rows.nbytes)
    assert queries(4) == 4
    assert sum(batch.num_rows for batch in encode(connection, encoding, [rows] * 9)) == 9


def test_the_uuid_of_no_digest_is_null() -> None:
    digest = uuid.uuid5(uuid.NAMESPACE_DNS, "a")
    sql = f"SELECT {uuid_text('d')} FROM (VALUES ('{digest.hex}'), (NULL)) t(d)"
    assert duckdb.sql(sql).fetchall() == [(str(digest),), (None,)]


@settings(max_examples=5)
@example(dt.datetime(9999, 12, 31, 23, 59, 59))
@given(st.datetimes())
def test_a_null_among_kinds_of_one_name_is_not_an_empty_text(
        connection: duckdb.DuckDBPyConnection, at: dt.datetime) -> None:
    encoding = Encoding("users", (Trait("x", ValueKind.INSTANT), Trait("x", ValueKind.TEXT)))
    rows = pa.record_batch({
        "message": [0, 1, 2], "user_id": ["u"] * 3, "key": ["u"] * 3, "c0": [True] * 3,
        "t0": pa.array([None, None, at.replace(microsecond=0)], pa.timestamp("s")), "t1": ["a", None, None]})
    (batch,) = encode(connection, encoding, [rows])
    values = [body.partition('"x":')[2] for body in batch["body"].to_pylist()]
    assert values == ['"a"}},', "null}},", f'"{at.replace(microsecond=0).isoformat()}Z"}}}},']
