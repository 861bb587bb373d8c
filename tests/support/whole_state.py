"""Every byte of a state, also inside compressed files: to search it for what must not be there."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as parquet

from candu_sync.state import State


def objects_with(state_url: str, text: str) -> list[str]:
    """The objects of a state whose name, bytes or values hold a text."""
    store = State(state_url).store
    return [name for name in store.list("") if text in name or _holds(name, store.get(name) or b"", text)]


def _holds(name: str, data: bytes, text: str) -> bool:
    if text.encode() in data or text.encode("unicode_escape") in data:
        return True
    if name.endswith(".arrow"):
        reader = pa.ipc.open_file(pa.BufferReader(data))
        return _in_table(reader.read_all(), text)
    return name.endswith(".parquet") and _in_table(parquet.read_table(io.BytesIO(data)), text)


def _in_table(table: pa.Table, text: str) -> bool:
    about = " ".join(map(str, (table.schema, table.schema.metadata)))
    # The raw buffers too: a value that no row shows may still be in a dictionary or behind an offset.
    chunks = [chunk for column in table.columns for chunk in column.chunks]
    chunks += [chunk.dictionary for chunk in chunks if pa.types.is_dictionary(chunk.type)]
    buffers = (buffer for chunk in chunks for buffer in chunk.buffers() if buffer)
    return text in about or any(text.encode() in buffer.to_pybytes() for buffer in buffers)
