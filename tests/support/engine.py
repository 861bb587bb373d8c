"""The engine, also where a few rows need none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from candu_sync import comparison
from candu_sync.changes import outgoing
from candu_sync.commit import next_version
from candu_sync.history import ledger


@contextmanager
def by_the_engine() -> Iterator[None]:
    """No number of rows is few."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (comparison, outgoing, ledger, next_version):
            patch.setattr(module, "FEW_ROWS", 0)
        yield
