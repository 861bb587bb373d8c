#!/bin/sh
# pyarrow 26.0.1: the error for a line of a CSV with too few columns has the line's text in it.
#
# A guess: the error names the line's number and how many columns it has. In fact it quotes the line, up to 500 bytes, in
# reading by batches too, without its number: in a log it is data of whoever is in that line.
#
# Seen: CSV parse error: Expected 2 columns, got 1: ada@example.com
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pyarrow as pa
import pyarrow.csv as pacsv

try:
    with pacsv.open_csv(io.BytesIO(b"user_id,plan\nu1,pro\nada@example.com\n")) as reader:
        reader.read_all()
    found = "nothing"
except pa.ArrowInvalid as error:
    found = str(error)
print(found)
assert "ada@example.com" in found and "got 1" in found
PYTHON
