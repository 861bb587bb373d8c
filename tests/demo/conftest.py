from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from candu_sync.demo.warehouse import build, next_day

TODAY = date(2026, 11, 15)


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse as it is before the day. For reading only."""
    path = tmp_path_factory.mktemp("demo") / "morning.duckdb"
    build(path, today=TODAY)
    return path


@pytest.fixture(scope="session")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same warehouse after one normal day. For reading only."""
    path = tmp_path_factory.mktemp("demo") / "evening.duckdb"
    build(path, today=TODAY)
    next_day(path, today=TODAY)
    return path
