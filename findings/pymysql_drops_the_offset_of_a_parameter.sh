#!/bin/sh
# PyMySQL 1.2.4: a datetime with a time zone is bound without its offset.
#
# A guess: it is moved to UTC or to the session's zone, or its offset is written, which MySQL 8.0.19 and later read. In
# fact the wall clock's digits are sent: two equal instants become two times, and a window's bounds find other rows.
#
# Seen: 12:00+05:00 and 07:00+00:00, which are equal, become '2026-01-01 12:00:00' and '2026-01-01 07:00:00'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pymysql==1.2.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime as dt

from pymysql.converters import escape_item

there = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=5)))
here = there.astimezone(dt.timezone.utc)
bound = [escape_item(moment, "utf8mb4") for moment in (there, here)]
print(bound)
assert there == here
assert bound == ["'2026-01-01 12:00:00'", "'2026-01-01 07:00:00'"]
PYTHON
