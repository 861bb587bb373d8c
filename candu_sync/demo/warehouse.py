"""A made-up B2B SaaS in a DuckDB file: the warehouse that the demo and the example models under ``sql/`` read.

Everything is drawn by DuckDB's SQL from the seed, so the same arguments give the same rows. All mail addresses are at
example.com, .org and .net. The tables, in the schema ``analytics``:

| table | rows | |
|---|---|---|
| ``dim_users`` | 5,002 | 5,000 ids, ``usr_00001`` to ``usr_05000``, and two bad rows |
| ``dim_accounts`` | 200 | plan, seats, MRR as a decimal, a renewal date in New York's wall clock |
| ``fct_product_events`` | 20,000 | over the 14 days before ``today``; eight to a visit |
| ``fct_invoices`` | about 2,100 | one a month, for 12 months, for each account that pays |
| ``segment_members`` | 5,000 | each user in exactly one lifecycle stage |

Three things are wrong with it on purpose, as in any warehouse, and each makes a model show rows that are set aside:

- one user has no id (``users/profile``: one row, null key);
- ``usr_00300`` is there twice, with different addresses (``users/profile``: two rows, duplicate key);
- ``acc_200`` claims 2^53 + 1 bytes of storage (``groups/accounts``: its three memberships, integer beyond 2^53).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.resources import files
from pathlib import Path

import duckdb

from candu_sync.errors import WarehouseError


def build(path: Path, *, today: date, seed: int = 7) -> None:
    """Write the warehouse as it is on the morning of ``today`` (UTC). One that is there already is replaced.

    Takes about a second. Tables of other schemas in the file stay. Raises ``WarehouseError`` when the file cannot be
    written, is held by another process or is not DuckDB's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _transaction(path, today, str(seed)) as connection:
        _execute(connection, "macros.sql")
        _execute(connection, "build.sql")


def next_day(path: Path, *, today: date) -> None:
    """Let ``today`` pass: the day that ``build`` was given, then the day after it, and so on.

    Eight users sign up and three are deleted, twenty get another job title, one account changes plan and four buy
    seats: about 1 % of the rows of ``users/profile``. 1,400 events come in, ``last_seen_at`` follows them, and users
    who were at risk and came back move to the stage ``activating``.

    Raises ``WarehouseError`` when there is no warehouse at ``path``, or when that day has passed already.
    """
    if not path.exists():
        raise WarehouseError(f"{path}: there is no warehouse to change; build it first")
    with _transaction(path, today, today.isoformat()) as connection:
        passed = connection.execute(
            "select count(*) from analytics.fct_product_events where occurred_at >= getvariable('today')::timestamptz"
        ).fetchone()
        if passed != (0,):
            raise WarehouseError(f"{path}: {today} has passed already in this warehouse; build it again")
        _execute(connection, "macros.sql")
        _execute(connection, "next_day.sql")


@contextmanager
def _transaction(path: Path, today: date, seed: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """All of the change or nothing of it, in a session whose clock is UTC."""
    try:
        with duckdb.connect(path) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute("set variable today = ?", [today])
            connection.execute("set variable seed = ?", [seed])
            connection.begin()
            yield connection
            connection.commit()
    except duckdb.Error as error:
        raise WarehouseError(f"{path}: the demo's warehouse could not be written: {error}") from error


def _execute(connection: duckdb.DuckDBPyConnection, script: str) -> None:
    connection.execute(files(__package__).joinpath(script).read_text(encoding="utf-8"))
