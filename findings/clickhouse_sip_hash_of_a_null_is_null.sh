#!/bin/sh
# chdb 4.4.0 (ClickHouse 26.9): sipHash64() of several columns is null where one of them is a null of type Nothing.
#
# A guess: a hash function takes nulls as values, or ignores them. In fact sipHash64('a', null) is null, and so are
# sipHash64('b', null) and cityHash64('a', null): a sum of such hashes does not see these rows at all. A tuple of the
# same values has a hash.
#
# Seen: sipHash64('a', null) and sipHash64('b', null) are null; of the tuples they are numbers that differ
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chdb==4.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json

import chdb

[row] = chdb.query("""
    select version(), sipHash64('a', null), sipHash64('b', null), cityHash64('a', null),
        sipHash64(('a', null)) = sipHash64(('b', null)), sum(sipHash64('a', null))""",
    "JSONCompactEachRow").bytes().decode().splitlines()
version, one, other, city, tuples, total = json.loads(row)
print("version, a, b, city, tuples are equal, sum:", version, one, other, city, tuples, total)
assert (one, other, city, bool(tuples), total) == (None, None, None, False, None)
PYTHON
