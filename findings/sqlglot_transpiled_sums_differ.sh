#!/bin/sh
# sqlglot 30.30.0: SQL that it transpiles without a warning can give another answer.
#
# A guess: from PostgreSQL to DuckDB the meaning stays. PostgreSQL divides integers to an integer (count(*) / 2 of three
# rows is 1, by its manual, "Mathematical Functions"). sqlglot rewrites the division of typed columns, but takes count(*)
# over as it is, and DuckDB's / is not a division of integers. From Snowflake to MySQL, datediff(month, a, b) loses its
# unit: MySQL's DATEDIFF counts days.
#
# Seen: SELECT COUNT(*) / 2 FROM t, which DuckDB answers with 1.5; SELECT DATEDIFF(b, a)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sqlglot==30.30.0 duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import sqlglot

(half,) = sqlglot.transpile("select count(*) / 2 from t", read="postgres", write="duckdb")
connection = duckdb.connect()
connection.execute("create table t as select * from range(3)")
answer = connection.execute(half).fetchone()
(months,) = sqlglot.transpile("select datediff(month, a, b)", read="snowflake", write="mysql")
print(half, answer, "|", months)
assert answer == (1.5,)
assert months == "SELECT DATEDIFF(b, a)"
PYTHON
