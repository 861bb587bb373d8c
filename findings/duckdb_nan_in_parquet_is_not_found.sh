#!/bin/sh
# duckdb 2.0.0 with pyarrow 26.0.1: a NaN is found in a table, and not in the Parquet file with the same rows.
#
# DuckDB orders NaN above all numbers: `a > 5` is true for it, and max() gives it. Parquet's statistics leave NaN out, and
# pyarrow writes them so. DuckDB answers from them: a group of rows with the maximum 2.0 holds nothing above 5.
#
# Seen, for the values 1.0, 2.0, NaN: rows above 5: 1 in the table, 0 in the file; maximum: nan in the table, 2.0 in the
# file; rows with isnan(a): 1 in the table, 0 in the file
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import math

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet

table = pa.table({"a": [1.0, 2.0, float("nan")]})
parquet.write_table(table, "numbers.parquet")
connection = duckdb.connect()
connection.register("arrow_numbers", table)
connection.execute("create table numbers as select * from arrow_numbers")


def answers(relation):
    query = lambda sql: connection.execute(sql).fetchone()[0]
    return (query(f"select count(*) from {relation} where a > 5"), query(f"select max(a) from {relation}"),
            query(f"select count(*) from {relation} where isnan(a)"))


in_table, in_file = answers("numbers"), answers("'numbers.parquet'")
print("table:", in_table, "file:", in_file)
assert in_table[0] == 1 and math.isnan(in_table[1]) and in_table[2] == 1
assert in_file == (0, 2.0, 0)
PYTHON
