"""A diff by datacompy over polars: ``python diff_datacompy.py OLD NEW``."""

from __future__ import annotations

import json
import sys
import time

import polars as pl
from datacompy import PolarsCompare


def main(old: str, new: str) -> None:
    began = time.perf_counter()
    found = PolarsCompare(pl.read_parquet(old), pl.read_parquet(new), join_columns="user_id")
    changed = found.intersect_rows.height - found.count_matching_rows()
    counts = {"changed": changed, "added": found.df2_unq_rows.height, "removed": found.df1_unq_rows.height}
    print(json.dumps({"seconds": time.perf_counter() - began, **counts}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
