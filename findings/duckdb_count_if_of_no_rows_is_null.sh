#!/bin/sh
# duckdb 2.0.0: count_if() over no rows is null, where count(*) FILTER is 0.
#
# A guess: it counts as count() does, which is 0 where there is nothing to count. In fact it is a sum: over no rows it is
# null, and so is what is calculated with it.
#
# Seen: count_if None, count with FILTER 0, count 0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

with duckdb.connect() as connection:
    [found] = connection.execute("""
        select count_if(x), count(*) filter (x), count(x)
        from (select true as x where false)""").fetchall()
print("count_if, count with filter, count:", found)
assert found == (None, 0, 0)
PYTHON
