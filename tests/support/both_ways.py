"""A plan by row hashes, and what it found: the same as a plan that reads all rows."""

from __future__ import annotations

from typing import Any
from unittest import mock

from candu_sync.arrow_rows import read_table
from candu_sync.changes import ChangeSet
from candu_sync.comparison import row_source
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab


def found(changes: ChangeSet) -> dict[str, Any]:
    """What a plan found, without the order of rows."""
    tables = {}
    for name in ("changes.arrow", "held.arrow"):
        path = None if changes.folder is None else changes.folder / name
        if path is not None and path.exists():
            rows = read_table(path)
            rows = rows.drop_columns([name for name in ("message", "run") if name in rows.schema.names])
            tables[name] = sorted(rows.to_pylist(), key=repr)
    summary = {name: value for name, value in vars(changes.summary).items() if name != "sample"}
    return {"summary": summary, "traits": changes.traits, "given": changes.given, "new": changes.new_traits,
            **{name: rows for name, rows in tables.items() if rows}}


def both_ways(lab: Lab, sync: Sync, partition: str | None = None, **options: Any) -> tuple[ChangeSet, dict[str, Any]]:
    """The plan by hashes, which is staged."""
    with mock.patch.object(row_source, "LEAST_ROWS", 10**9):
        whole = found(lab.plan(sync, partition, keep=False, **options))
    changes = lab.plan(sync, partition, **options)
    hashed = found(changes)
    assert {name: (hashed.get(name), whole.get(name)) for name in {*hashed, *whole}
            if hashed.get(name) != whole.get(name)} == {}
    return changes, hashed
