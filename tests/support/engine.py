"""The engine, also where a few rows need none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from candu_sync import embedded
from candu_sync.comparison.wanted import Wanted


@contextmanager
def by_the_engine() -> Iterator[None]:
    """Not even one row is few, and the rows of a first run are put into a table, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "FEW_ROWS", 0)
        patch.setattr(Wanted, "streams", False)
        yield
