#!/bin/sh
# duckdb 2.0.0: cursor() is a new connection, which has the tables but not the settings made by SET.
#
# A guess: a cursor of Python's DB API belongs to its connection, and sees its session's settings. In fact a session's
# settings, TimeZone among them, and its temporary tables stay behind: the same query gives another day. SET GLOBAL
# reaches the cursors that are made after it.
#
# Seen, with the zone Asia/Tokyo set: the connection says 2026-01-02, its cursor 2026-01-01; after SET GLOBAL: 2026-01-02
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

QUERY = "select (instant::date)::varchar from t"
with duckdb.connect() as connection:
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute("create table t as select timestamptz '2026-01-01 20:00:00+00' as instant")
    connection.execute("set TimeZone = 'Asia/Tokyo'")
    own = connection.execute(QUERY).fetchall()
    cursors = connection.cursor().execute(QUERY).fetchall()
    connection.execute("set global TimeZone = 'Asia/Tokyo'")
    after = connection.cursor().execute(QUERY).fetchall()
print("connection:", own, "cursor:", cursors, "after set global:", after)
assert (own, cursors, after) == ([("2026-01-02",)], [("2026-01-01",)], [("2026-01-02",)])
PYTHON
