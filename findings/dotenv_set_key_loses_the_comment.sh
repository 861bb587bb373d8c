#!/bin/sh
# python-dotenv 1.2.4: set_key keeps the other lines of a file, but loses the comment behind the value that it sets, turns
# all CRLF into LF, and drops a byte order mark.
#
# A guess: only the value changes. In fact the whole assignment is written anew as NAME=value, and the file is read and
# written as text with universal newlines.
#
# Seen: b'\xef\xbb\xbf# mine\r\nSIZE=50  # as agreed\r\n' becomes b'# mine\nSIZE=100\n'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet python-dotenv==1.2.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from dotenv import set_key

path = Path("settings.env")
path.write_bytes(b"\xef\xbb\xbf# mine\r\nSIZE=50  # as agreed\r\n")
set_key(path, "SIZE", "100", quote_mode="never")
print(path.read_bytes())
assert path.read_bytes() == b"# mine\nSIZE=100\n"
PYTHON
