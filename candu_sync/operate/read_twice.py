"""``check --twice``: a model is read two times, and the columns that differ are named. No value is shown.

Two readings that agree prove little: a sum of floats, or a text without an order, may differ at the tenth reading only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import duckdb

from candu_sync.diff import load
from candu_sync.embedded import scalar
from candu_sync.errors import WarehouseError
from candu_sync.naming import counted
from candu_sync.operate.finding import Finding
from candu_sync.rows import Result, ValueKind
from candu_sync.syncs import parameters
from candu_sync.target import Target

# Instants are sent to the second: within one, two values of now() are the same.
_APART = 1.1

_MENDS = {
    ValueKind.NUMBER: "Round a total of floats or add up decimals; leave out random() and row_number() over ties",
    ValueKind.TEXT: "Give string_agg and the like an `order by`; leave out random(), uuid() and the choice among ties",
    ValueKind.INSTANT: "Leave out now() and current_timestamp, or cut them to the day",
    ValueKind.BOOLEAN: "Do not compare with now() or random(); compare with a date of the model's data",
}
# The column, what differs, what to do.
_Apart = tuple[str | None, str, str]

_TIES = "End an `order by` with a unique column, and leave out random()"


def read_twice(target: Target) -> Iterator[Finding]:
    """Read the model two times, at least a second apart. Yields a finding for each column that differs, and one for
    rows that only one reading has.

    Rows are compared by their key; those without one, or whose key is not unique, are left out.

    Raises:
        ModelError, WarehouseError: the model cannot be read.
    """
    with target.project.engine.use() as connection:
        began = time.monotonic()
        first = _load(connection, target)
        connection.execute("ALTER TABLE result RENAME TO first_reading")
        time.sleep(max(0.0, began + _APART - time.monotonic()))
        second = _load(connection, target)
        if first.names != second.names:
            raise WarehouseError(f"{target.name}: the model's columns changed between two readings: read it again")
        for column, sentence, advice in [*_rows_apart(connection), *_columns_apart(connection, first, second)]:
            yield Finding(code="unsteady", sync=target.sync.name, partition=target.partition, column=column,
                          sentence=sentence, advice=advice)


def _load(connection: duckdb.DuckDBPyConnection, target: Target) -> Result:
    project, sync = target.project, target.sync
    values = parameters(sync, target.partition, None)
    with project.warehouse.read(target.model, values, tag=sync.name) as reading:
        result = Result(sync, reading.names)
        load(connection, sync, result, result.batches(reading))
    return result


def _rows_apart(connection: duckdb.DuckDBPyConnection) -> Iterator[_Apart]:
    counts = [scalar(connection, f"""
        SELECT count(DISTINCT key)
        FROM {one}
        ANTI JOIN {other} USING (key)""") for one, other in (("first_reading", "result"), ("result", "first_reading"))]
    if any(counts):
        yield None, (f"{counted(counts[0], 'row')} of the first reading and {counted(counts[1], 'row')} of the second "
                     "have no counterpart"), (
            "Give `limit` an order that ends with a unique column, leave out samples, and make the key of columns that "
            "stay")


def _columns_apart(connection: duckdb.DuckDBPyConnection, first: Result, second: Result) -> Iterator[_Apart]:
    there = [set(_columns(connection, table)) for table in ("first_reading", "result")]
    columns = sorted((there[0] | there[1]) - {"key", "reason"})
    differ = ", ".join(f"count_if({_value('a', column, there[0])} IS DISTINCT FROM {_value('b', column, there[1])})"
                       for column in columns)
    once = "(FROM {} QUALIFY count(*) OVER (PARTITION BY key) = 1)"
    rows, *counts = connection.execute(f"""
        SELECT count(*), {differ}
        FROM {once.format('first_reading')} a
        JOIN {once.format('result')} b ON a.key = b.key""").fetchall()[0]
    for column, count in zip(columns, counts, strict=True):
        if count:
            name, mend = _named(column, first, second)
            yield (name.split(" ", 2)[2], f"{name} differs in {count:,} of {counted(rows, 'row')} between two readings",
                   mend)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"SELECT column_name FROM (DESCRIBE {table})").fetchall()]


def _value(row: str, column: str, there: set[str]) -> str:
    """As text: a column may be of another kind in the other reading, or hold only nulls and be missing."""
    return f"{row}.{column}::VARCHAR" if column in there else "NULL"


def _named(column: str, first: Result, second: Result) -> tuple[str, str]:
    """A column's name as the model has it, and what to do about it."""
    if not column[1:].isdigit():
        return f"the column {'timestamp' if column == 'occurred' else column}", _TIES
    index = int(column[1:])
    kind = max(first.kinds[index], second.kinds[index], key=lambda kind: kind is not ValueKind.EMPTY)
    return f"the trait {first.names[index]}", _MENDS[kind]
