#!/bin/sh
# duckdb 2.0.0: the same rows of the same table have two totals, before and after a checkpoint.
#
# A guess: sum() over unchanged rows gives one answer. In fact a column whose rows all hold one DOUBLE is stored as a
# constant when it is checkpointed, and its total is then a multiplication; rows that were just written are added up.
#
# Seen: before the checkpoint 0.9999999999999999, after it 1.0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

connection = duckdb.connect("shop.duckdb")
connection.execute("create table orders as select 0.1::double as amount from range(10)")
total = "select sum(amount) from orders"
before = connection.execute(total).fetchone()
connection.execute("checkpoint")
after = connection.execute(total).fetchone()
print("before the checkpoint", before, "after it", after)
assert before == (0.9999999999999999,)
assert after == (1.0,)
PYTHON
