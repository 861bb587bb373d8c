"""The engine, also where a few rows need none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from candu_sync import embedded


@contextmanager
def by_the_engine() -> Iterator[None]:
    """Not even one row is few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "FEW_ROWS", 0)
        yield
