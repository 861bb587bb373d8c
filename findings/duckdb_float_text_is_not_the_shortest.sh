#!/bin/sh
# duckdb 2.0.0: the text of a FLOAT is not always the shortest that reads back to it. pyarrow's is.
#
# A guess: both write the shortest digits, so that the text of a 32-bit float, and the double that it is read as, are the
# same by both. In fact DuckDB writes a digit too many of some, so that two tools have two doubles for one float.
#
# Seen: DuckDB -386626.625, pyarrow 26.0.1 -386626.62; both read back to the same FLOAT
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import pyarrow as pa

with duckdb.connect() as connection:
    [(theirs, same)] = connection.execute("""
        select x::varchar, '-386626.62'::float = x
        from (select '-386626.625'::float as x)""").fetchall()
[arrow] = pa.array([-386626.625], pa.float32()).cast(pa.string()).to_pylist()
print("DuckDB:", theirs, "pyarrow:", arrow, "the shorter one reads back to it:", same)
assert (theirs, arrow, same) == ("-386626.625", "-386626.62", True)
PYTHON
