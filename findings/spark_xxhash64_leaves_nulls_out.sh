#!/bin/sh
# pyspark 4.3.0 (needs Java 17): xxhash64() of several columns leaves nulls out.
#
# A guess: it is a hash of the row, so that a value that moves from one column to the next, where the other is null, has
# another hash. In fact a null changes nothing: (null, 'a'), ('a', null) and ('a') have one hash, and so has each row of
# nulls: the seed, 42. A hash that tells them apart is one of a text with a mark for null.
#
# Seen: (null, 'a') = ('a', null) = ('a') is true; xxhash64(null) is 42; with a mark for null they differ
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==4.3.0
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from pyspark.sql import SparkSession

session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
[found] = session.sql("""
    select xxhash64(null, 'a') = xxhash64('a', null) as moved, xxhash64('a', null) = xxhash64('a') as shorter,
        xxhash64(null) as only_null, xxhash64('!', 'a') = xxhash64('a', '!') as marked""").collect()
print("moved, shorter, only null, marked:", tuple(found))
session.stop()
assert tuple(found) == (True, True, 42, False)
PYTHON
