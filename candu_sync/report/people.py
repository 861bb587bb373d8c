"""A person leaves the tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import Delete, Update, func, or_, select

from candu_sync.report.tables import Tables, tables_in
from candu_sync.warehouse import Writable

KeyTest = Callable[[str | None], bool]

# Keys that are named in one statement.
_TOGETHER = 500


def remove_person(database: Writable, schemas: Collection[str], user_id: str, is_of: Mapping[str, KeyTest],
                  ) -> dict[str, int]:
    """Remove the rows of a person, and the sentences about failed runs that have the id in them.

    Args:
        is_of: sync → whether a key is of the person, for rows that have only a key.

    Returns:
        Sync → rows that were removed.

    Raises:
        WarehouseError: the database is away, or does not allow it.
    """
    gone: Counter[str] = Counter()
    for schema in sorted(schemas):
        tables = tables_in(schema, database.dialect)
        if database.has(tables.rows):
            gone.update(_from_rows(database, tables, user_id, is_of))
        if database.has(tables.runs):
            _from_errors(database, tables, user_id)
    return dict(gone)


def _from_rows(database: Writable, tables: Tables, user_id: str, is_of: Mapping[str, KeyTest]) -> Counter[str]:
    rows = tables.rows.c
    strangers = select(rows.sync, rows.row_key).where(rows.user_id.is_(None), rows.row_key.is_not(None)).distinct()
    keys = sorted({key for sync, key in database.read(strangers) if sync in is_of and is_of[sync](key)})
    conditions = [rows.user_id == user_id]
    conditions += [rows.user_id.is_(None) & rows.row_key.in_(keys[start:start + _TOGETHER])
                   for start in range(0, len(keys), _TOGETHER)]
    counts = database.read(select(rows.sync, func.count()).where(or_(*conditions)).group_by(rows.sync))
    if counts:
        database.change([Delete(tables.rows).where(or_(*conditions))])
    return Counter(dict(counts))


def _from_errors(database: Writable, tables: Tables, user_id: str) -> None:
    runs = tables.runs.c
    mine = re.compile(rf"(?<![\w@.-]){re.escape(user_id)}(?![\w@-])")
    found = database.read(select(runs.run_id, runs.error).where(runs.error.contains(user_id, autoescape=True)))
    database.change([Update(tables.runs).where(runs.run_id == run_id).values(error=mine.sub("…", error))
                     for run_id, error in found])
