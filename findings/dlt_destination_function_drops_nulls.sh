#!/bin/sh
# dlt 1.31.0: a destination function gets no key at all for a value that is None or NaN.
#
# A guess: the function gets the row as it was yielded, {"id": 1, "plan": None}. In fact None and NaN are removed, also
# when other rows of the batch have the column, so that a destination cannot tell "empty now" from "not asked for", and
# never clears a field. Text that looks like a timestamp arrives as a datetime.
#
# Seen: [{'id': 1, 't': datetime(2026, 11, 1, 10, 0, UTC)}, {'id': 2, 'plan': 'pro', 'n': 2.0, 't': ...}]
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dlt==1.31.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime as dt

import dlt

seen = []


@dlt.destination(batch_size=10)
def sink(items, table):
    seen.extend(items)


rows = [{"id": 1, "plan": None, "n": float("nan"), "t": "2026-11-01T10:00:00Z"},
        {"id": 2, "plan": "pro", "n": 2.0, "t": "2026-11-02T10:00:00Z"}]
dlt.pipeline("people", destination=sink, pipelines_dir="pipelines").run(rows, table_name="people")
print(seen)
seen.sort(key=lambda row: row["id"])
assert set(seen[0]) == {"id", "t"}
assert set(seen[1]) == {"id", "plan", "n", "t"}
assert seen[0]["t"] == dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC)
PYTHON
