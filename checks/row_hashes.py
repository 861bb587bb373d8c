"""Row hashes of ClickHouse and Databricks on their engines: ``python -m checks.row_hashes clickhouse|spark``.

The columns are asked for, and the hashes made, as for a warehouse; only the driver is another one. From the text of a
row each value is read back.
"""

from __future__ import annotations

import datetime as dt
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from sqlalchemy import create_engine

from candu_sync.warehouse import RowTotal
from candu_sync.warehouse.clickhouse_row_hashes import CLICKHOUSE
from candu_sync.warehouse.databricks_row_hashes import DATABRICKS
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Reading
from candu_sync.warehouse.text_forms import Asking, TextDialect
from candu_sync.warehouse.text_hashes import open_text_hashes
from tests.support.text_rows import SCHEMA, Row, expected, read_back, rows, table_of

Ask = Callable[[str], pa.Table]

NAMES = SCHEMA.names
EXAMPLES = settings(max_examples=60, deadline=None)


def say(*words: object) -> None:
    """A line for the person who runs it."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")


class Answer:
    """As much of a reading as is used."""

    path = "engine"

    def __init__(self, table: pa.Table) -> None:
        self.names, self._batches = table.column_names, table.combine_chunks().to_batches()

    def __iter__(self) -> Any:
        return iter(self._batches)

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""


def asking(ask: Ask, sql: str) -> Asking:
    """A model that an engine answers."""

    def read(text: str) -> Reading:
        return Answer(ask(text))  # type: ignore[return-value]

    return Asking(Query(create_engine("sqlite://"), sql), read)


def texts(dialect: TextDialect, ask: Ask, sql: str) -> list[str]:
    """The texts of the rows of a model, in the order of ``i``."""
    columns = [column for column in dialect.columns(asking(ask, sql)) if column.name != "i"]
    text = replace(dialect, hash="{0}").hash_of("r", columns)
    return list(ask(f"select {text} as a from (\n{sql}\n) candu_model order by i").column("a").to_pylist())


def check(name: str, dialect: TextDialect, ask: Ask, sql: str, found: list[Row],
          readers: Mapping[str, Callable[[str], Any]], *, octets: bool = False) -> None:
    """Each value can be read back; and the hashes of a model agree with each other."""
    back = [read_back(text, NAMES, readers, octets=octets) for text in texts(dialect, ask, sql)]
    assert back == list(expected(found, NAMES)), (name, back)
    with open_text_hashes(dialect, asking(ask, sql), ["i"], []) as model:
        hashes = [tuple(row.values()) for batch in model.hashes() for row in batch.to_pylist()]
        assert model.total() == RowTotal(len(found), *(sum(each) % 2**64 for each in zip(*hashes, strict=True)))
        assert len({key for key, _ in hashes}) == len(found)
        with model.rows([key for key, _ in hashes[:3]]) as reading:
            came = {tuple(list(row.values())[-2:]) for batch in reading for row in batch.to_pylist()}
        assert came == set(hashes[:3])


def clickhouse(folder: Path) -> None:
    """On chdb."""
    import chdb

    say("chdb", chdb.__version__, "ClickHouse", chdb.query("select version()").bytes().decode().strip())
    file = folder / "rows.parquet"
    # Its Parquet has no time without a zone.
    sql = f"select * replace (toDateTime64(ntz, 6, 'Europe/Paris') as ntz) from file('{file}')"

    def ask(text: str) -> pa.Table:
        found = chdb.query(text, "ArrowTable")
        assert isinstance(found, pa.Table)
        return found

    readers = {"x": lambda text: struct.unpack("<d", struct.pack("<Q", int(text)))[0],
               "day": dt.date.fromisoformat}

    @EXAMPLES
    @given(rows(first=1901, last=2298))
    def every_value(found: list[Row]) -> None:
        table = table_of(found, NAMES)
        pq.write_table(table.set_column(table.column_names.index("ntz"), "ntz", table.column("ntz").cast(
            pa.timestamp("us", "UTC"))), file)
        check("clickhouse", CLICKHOUSE, ask, sql, found, readers, octets=True)

    every_value()
    kinds = ("select 1::UInt256 as a, toLowCardinality('x'::Nullable(String)) as b, 'a b'::Enum8('a b' = 1) as c, "
             "generateUUIDv4() as d, toDateTime('2026-01-05 12:30:00', 'Europe/Paris') as e, 1.5::Float32 as f, 0 as i")
    [text] = texts(CLICKHOUSE, ask, kinds)
    assert text.startswith("r1 1 x3 a b"), text
    assert text.endswith(" 1767612600 1069547520 "), text
    refused = [column.form for column in CLICKHOUSE.columns(asking(ask, "select [1] as a, '10.0.0.1'::IPv4 as b"))]
    assert refused == [None, None]


def spark(folder: Path) -> None:
    """On Spark, with the ANSI mode that Databricks SQL has, in a zone whose clocks change."""
    from pyspark.sql import SparkSession

    options = {"spark.ui.enabled": "false", "spark.sql.ansi.enabled": "true", "spark.sql.shuffle.partitions": "1",
               "spark.sql.session.timeZone": "America/New_York", "spark.ui.showConsoleProgress": "false",
               "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
               "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    say("Spark", session.version)

    def ask(text: str) -> pa.Table:
        return session.sql(text).toArrow()

    @EXAMPLES
    @given(rows())
    def every_value(found: list[Row]) -> None:
        pq.write_table(table_of(found, NAMES), folder / "rows.parquet")
        session.read.parquet(str(folder / "rows.parquet")).createOrReplaceTempView("candu_rows")
        floats = {row[NAMES.index("x")] for row in found} - {None}
        hashes = {value: session_hash(value) for value in floats}
        back = {text: value for value, text in hashes.items()}
        assert len(back) == len({value + 0.0 for value in floats})
        readers = {"x": lambda text: back[text], "ntz": dt.datetime.fromisoformat}
        check("spark", DATABRICKS, ask, "select * from candu_rows", found, readers)

    def session_hash(value: float) -> str:
        literal = f"cast('{value!r}' as double)"
        return str(ask(f"select cast(xxhash64({literal}) as string) as a").column("a")[0])

    try:
        every_value()
        sql = "select collate('{0}', 'UTF8_LCASE') as a, cast(1.5 as float) as b, true as c, 0 as i"
        small, large = (texts(DATABRICKS, ask, sql.format(letter)) for letter in "xX")
        assert small != large, (small, large)
        null = ask("select xxhash64(null, 'a') = xxhash64('a', null) as a").column("a")[0]
        say("Spark: xxhash64 leaves nulls out:", null)
    finally:
        session.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        {"clickhouse": clickhouse, "spark": spark}[sys.argv[1]](Path(name))
    say(f"{sys.argv[1]}: each value was read back")
