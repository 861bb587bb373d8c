#!/bin/sh
# duckdb 2.0.0 with pyarrow 26.0.1: the upper half of UHUGEINT leaves as negative numbers.
#
# A guess: a value that Arrow's type cannot hold raises an error, or comes as a wider type. In fact the 128 bits are
# handed over as a signed decimal128(38, 0). Hashes by md5_number() are such values, and half of them lie up there.
#
# Seen: 2^128 - 1 comes as -1, 2^127 as -170141183460469231731687303715884105728; fetchall() has the right numbers
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb

sql = f"select {2**128 - 1}::uhugeint as largest, {2**127}::uhugeint as middle"
table = duckdb.sql(sql).to_arrow_table()
print(table.schema.field("largest").type, table.to_pylist()[0], duckdb.sql(sql).fetchall())
assert table.to_pylist() == [{"largest": Decimal(-1), "middle": Decimal(-(2**127))}]
assert duckdb.sql(sql).fetchall() == [(2**128 - 1, 2**127)]
PYTHON
