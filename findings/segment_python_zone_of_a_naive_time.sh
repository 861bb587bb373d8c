#!/bin/sh
# segment-analytics-python 2.4.0: a timestamp without a zone is UTC when it is more than five seconds old, else local.
#
# A guess: always UTC, or always local time, or an error. In fact the age decides, and a time in the future counts as
# young: of two times of one clock the later one can become the earlier instant.
#
# Seen, in Tokyo (UTC+9): an hour ago "+00:00", in an hour "+09:00"; the second is 7 hours before the first
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet segment-analytics-python==2.4.0
TZ=Asia/Tokyo "$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime, timedelta

from segment.analytics.client import Client

client = Client("key", send=False)
now = datetime.now()
texts = [client.identify("u1", {"a": 1}, timestamp=now + timedelta(hours=hours))[1]["timestamp"] for hours in (-1, 1)]
print(texts)
earlier, later = (datetime.fromisoformat(text) for text in texts)
assert [text[-6:] for text in texts] == ["+00:00", "+09:00"]
assert timedelta(hours=6, minutes=59) < earlier - later < timedelta(hours=7, minutes=1)
PYTHON
