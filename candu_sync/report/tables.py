"""The two tables: their columns, and the types that these have in each database.

``sync_runs`` has a row a run, ``sync_rows`` the ledger's rows. docs/reports.md has what each column means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import BigInteger, Column, DateTime, Double, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import DATETIME, LONGTEXT
from sqlalchemy.types import TypeEngine

INSTANT = pa.timestamp("us", "UTC")

RUNS = pa.schema([
    ("run_id", pa.string()), ("state_id", pa.string()), ("sync", pa.string()), ("partition_key", pa.string()),
    ("status", pa.string()), ("began_at", INSTANT), ("ended_at", INSTANT),
    *((name, pa.int64()) for name in ("model_rows", "added", "changed", "removed", "unchanged", "refreshed", "invalid",
                                      "messages", "accepted", "refused", "waiting", "uncertain", "requests",
                                      "retries")),
    *((f"{phase}_seconds", pa.float64()) for phase in ("read", "diff", "push", "commit")),
    ("error", pa.string()), ("reported_at", INSTANT), ("route", pa.string())])
"""Columns and Arrow types of ``sync_runs``."""

ROWS = pa.schema([
    ("run_id", pa.string()), ("sync", pa.string()), ("partition_key", pa.string()), ("row_key", pa.string()),
    ("user_id", pa.string()), ("group_id", pa.string()), ("message_type", pa.string()), ("event", pa.string()),
    ("outcome", pa.string()), ("status", pa.int32()), ("reason", pa.string()), ("attempts", pa.int32()),
    ("answered_at", INSTANT), ("message_id", pa.string()), ("traits", pa.string())])
"""Columns and Arrow types of ``sync_rows``, as ``history.flat_rows`` gives them."""

_NUMBERS: dict[pa.DataType, type[TypeEngine[Any]]] = {
    pa.int32(): Integer, pa.int64(): BigInteger, pa.float64(): Double}

# Names of a run, which an index holds.
_SHORT = 64


@dataclass(frozen=True)
class Tables:
    """The two tables of one schema."""

    runs: Table
    rows: Table

    @property
    def both(self) -> tuple[Table, Table]:
        """Both, that of the runs last."""
        return self.rows, self.runs


def tables_in(schema: str, dialect: str) -> Tables:
    """The tables of a schema. A file of SQLite is its own schema.

    Args:
        dialect: SQLAlchemy's name of it, like ``postgresql``.
    """
    metadata = MetaData(schema=None if dialect == "sqlite" else schema)
    # Ids are compared letter for letter.
    options: dict[str, Any] = {f"{name}_{option}": value for name in ("mysql", "mariadb")
               for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))}
    runs = Table("sync_runs", metadata, *_columns(RUNS, dialect, key="run_id"), **options)
    rows = Table("sync_rows", metadata, *_columns(ROWS, dialect), **options)
    if dialect in ("postgresql", "mysql", "mariadb", "sqlite"):
        Index("sync_rows_run_id", rows.c.run_id)
    return Tables(runs, rows)


def _columns(schema: pa.Schema, dialect: str, key: str | None = None) -> list[Column[Any]]:
    return [Column(field.name, _type(field, dialect), primary_key=field.name == key, autoincrement=False)
            for field in schema]


def _type(field: pa.Field[pa.DataType], dialect: str) -> TypeEngine[Any]:
    if field.type == pa.string():
        if field.name == "run_id":
            return String(_SHORT)
        return LONGTEXT() if dialect in ("mysql", "mariadb") else Text()
    if field.type == INSTANT:
        return DATETIME(fsp=6) if dialect in ("mysql", "mariadb") else DateTime(timezone=True)
    return _NUMBERS[field.type]()
