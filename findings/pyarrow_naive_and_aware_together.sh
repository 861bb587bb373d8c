#!/bin/sh
# pyarrow 26.0.1: pa.array takes datetimes with and without a time zone in one list, and makes timestamps without one.
#
# A guess: it raises an error, as Python does when the two are compared, or keeps the zone. In fact the array has no zone:
# a datetime with a zone is moved to UTC, one without stays as it is, so that two that both say 12:00 become five hours
# apart. Times of day lose their offset and are not moved.
#
# Seen: 12:00 and 12:00-05:00 give timestamp[us] 12:00 and 17:00; times 12:00 and 12:00-05:00 give 12:00 and 12:00
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime as dt

import pyarrow as pa

zone = dt.timezone(dt.timedelta(hours=-5))
noon = dt.datetime(2026, 1, 1, 12)
moments = pa.array([noon, noon.replace(tzinfo=zone)])
times = pa.array([noon.time(), noon.replace(tzinfo=zone).timetz()])
print(moments.type, moments.to_pylist(), times.type, times.to_pylist())
assert moments.type == pa.timestamp("us") and moments.to_pylist() == [noon, dt.datetime(2026, 1, 1, 17)]
assert times.type == pa.time64("us") and times.to_pylist() == [dt.time(12), dt.time(12)]
PYTHON
