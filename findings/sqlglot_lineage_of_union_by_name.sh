#!/bin/sh
# sqlglot 30.30.0: the lineage of `union all by name` names columns by their position.
#
# A guess: lineage knows `by name`, since the parser reads it and writes it again for DuckDB and Snowflake. In fact it pairs
# the columns of both queries by position, as for a plain union, and names a wrong column without a warning.
#
# Seen: lineage says that id is made of accounts.name and users.id; DuckDB 2.0.0 takes it from accounts.id and users.id
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sqlglot==30.30.0 duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
from sqlglot import parse_one
from sqlglot.lineage import lineage

SQL = "select id, name from users union all by name select name, id from accounts"
with duckdb.connect() as connection:
    connection.execute("create table users as select 1 as id, 'Ann' as name")
    connection.execute("create table accounts as select 2 as id, 'Acme' as name")
    ids = connection.sql(f"select id from ({SQL}) order by id").fetchall()
assert "BY NAME" in parse_one(SQL, dialect="duckdb").sql("duckdb")
leaves = sorted(step.name for step in lineage("id", SQL, {}, dialect="duckdb").walk() if not step.downstream)
print("values:", ids, "lineage:", leaves)
assert ids == [(1,), (2,)]
assert leaves == ["accounts.name", "users.id"]
PYTHON
