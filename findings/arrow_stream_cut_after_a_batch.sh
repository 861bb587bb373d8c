#!/bin/sh
# pyarrow 26.0.1: an IPC stream that lost its tail right after a batch is read as a whole one.
#
# A guess: a truncated stream raises an error. In fact the marker at the end of a stream is optional to the reader: bytes
# that end on the border of a message are a complete stream. Two streams one after the other are read as the first alone.
#
# Seen: of three batches of one row, cut after the first, second, third: 1, 2, 3 rows and no error; two streams: 3 rows
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pyarrow as pa

schema = pa.schema([("a", pa.int64())])
out, borders = io.BytesIO(), []
with pa.ipc.new_stream(out, schema) as writer:
    for number in range(3):
        writer.write_batch(pa.record_batch([pa.array([number])], schema=schema))
        borders.append(out.tell())
data = out.getvalue()
rows = [pa.ipc.open_stream(data[:border]).read_all().num_rows for border in borders]
twice = pa.ipc.open_stream(data + data).read_all().num_rows
print("cut after each batch:", rows, "two streams:", twice)
assert borders[-1] < len(data)
assert rows == [1, 2, 3]
assert twice == 3
PYTHON
