"""A diff by polars, streaming: ``python diff_polars.py OLD NEW``. An inner join for what changed, two anti-joins."""

from __future__ import annotations

import json
import sys
import time

import polars as pl


def main(old_path: str, new_path: str) -> None:
    began = time.perf_counter()
    old, new = pl.scan_parquet(old_path), pl.scan_parquet(new_path)
    traits = [name for name in old.collect_schema().names() if name != "user_id"]
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_old")) for name in traits)
    changed = new.join(old, on="user_id", suffix="_old").filter(differs).select("user_id", *traits)
    found = pl.collect_all([changed, new.join(old, on="user_id", how="anti"),
                            old.join(new, on="user_id", how="anti").select("user_id")], engine="streaming")
    counts = {op: frame.height for op, frame in zip(("changed", "added", "removed"), found, strict=True)}
    print(json.dumps({"seconds": time.perf_counter() - began, **counts}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
