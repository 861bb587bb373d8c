#!/bin/sh
# duckdb 2.0.0: "Seats" and seats of one SELECT keep their names when it is run, and not when it is limited.
#
# A guess: relation.limit(0) has the columns of the relation. In fact it is a query over a subquery, in which the second
# of two names that differ only in case gets a number.
#
# Seen: ['Seats', 'seats'] of the relation and of its rows, ['Seats', 'seats_1'] of the rows of limit(1)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

with duckdb.connect() as connection:
    relation = connection.sql('select 1 as "Seats", 2 as seats')
    names = relation.columns
    whole = relation.to_arrow_table().column_names
    limited = relation.limit(1).to_arrow_table().column_names
print(names, whole, limited)
assert (names, whole, limited) == (["Seats", "seats"], ["Seats", "seats"], ["Seats", "seats_1"])
PYTHON
