"""Notes each query for the totals of all shards."""

from __future__ import annotations

from typing import Any

import pytest

from candu_sync.comparison import row_source
from candu_sync.warehouse.duckdb_row_hashes import _DuckDBHashes


def noted_totals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many shards' totals were asked for, each time. Small tables have row hashes, too."""
    monkeypatch.setattr(row_source, "LEAST_ROWS", 1)
    found: list[int] = []
    whole = _DuckDBHashes.shard_totals

    def counted(model: _DuckDBHashes, column: str, count: int) -> Any:
        totals = whole(model, column, count)
        found.append(len(totals))
        return totals

    monkeypatch.setattr(_DuckDBHashes, "shard_totals", counted)
    return found
