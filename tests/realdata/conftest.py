"""Where the real data is: a folder next to the repository, or the one that CANDU_TEST_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the data sets; without it the test is skipped."""
    folder = Path(os.environ.get("CANDU_TEST_DATA") or _BESIDE)
    if not folder.is_dir():
        pytest.skip(f"there is no real data in {folder}; CANDU_TEST_DATA may name another folder")
    return folder
