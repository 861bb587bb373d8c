"""The public names are those of ``__all__``, and each is there; asking for none of them loads no database."""

from __future__ import annotations

import subprocess
import sys

import pytest

import candu_sync


@pytest.mark.parametrize("name", candu_sync.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(candu_sync, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute sink"):
        candu_sync.sink  # noqa: B018


def test_importing_the_package_loads_no_database() -> None:
    heavy = "duckdb", "pyarrow", "sqlalchemy", "httpx", "dagster"
    code = f"import sys, candu_sync.cli; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
