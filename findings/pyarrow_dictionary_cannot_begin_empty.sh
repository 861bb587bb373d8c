#!/bin/sh
# pyarrow 26.0.1: in an IPC file a dictionary that begins without a value cannot grow, also with
# emit_dictionary_deltas=True.
#
# A guess: [] is the beginning of any dictionary, so that ["a"] after it is written as a delta, as ["a", "b"] after
# ["a"] is. In fact it counts as a replacement, which a file cannot have. A column whose first batch has only nulls
# is such a one.
#
# Seen: ['a'], then ['a', 'b']: written, and read as it was. [], then ['a']: ArrowInvalid: Dictionary replacement
# detected when writing IPC file format
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.ipc as ipc


def written(*dictionaries):
    batches = [pa.record_batch({"n": pa.DictionaryArray.from_arrays(pa.array([index], pa.int16()), values)})
               for index, values in dictionaries]
    options = ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with ipc.new_file("rows.arrow", batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with ipc.open_file("rows.arrow") as reader:
        return reader.read_all()["n"].to_pylist()


found = written((0, pa.array(["a"])), (1, pa.array(["a", "b"])))
print(found)
assert found == ["a", "b"]
try:
    written((None, pa.array([], pa.string())), (0, pa.array(["a"])))
except pa.ArrowInvalid as error:
    print(error)
    assert "Dictionary replacement detected" in str(error)
else:
    raise AssertionError("it was written")
PYTHON
