"""Files that a first run writes while rows come: of those that may go, which are counted, and of those set aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.arrow_rows import RowsWriter, read_batches
from candu_sync.changes.added_rows import AddedRows
from candu_sync.changes.messages import Encoding
from candu_sync.changes.summary import SIZED
from candu_sync.embedded import is_few
from candu_sync.rows import LARGEST_MESSAGE
from candu_sync.snapshot import Index, IndexWriter, hash_pairs, hashed_names, hashes, row_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]


# Of an id: a capital, a space, or a letter that only the engine knows the small form of.
_ODD = r"[^!-@\[-~]"


class AddedFile:
    """Rows of ``changes`` in one file, each of them added.

    Args:
        connection: to hash in; is closed with this.
        encoding: how they become messages.

    Attributes:
        rows, messages: how many there are.
        carried: of the flags ``c0`` …: messages that carry that trait.
        any_large: whether a message is too large.
        any_odd: whether an id may have a capital, or spaces at an end.
    """

    def __init__(self, path: Path, layout: AddedRows, encoding: Encoding, connection: duckdb.DuckDBPyConnection,
                 folder: Path) -> None:
        self.path, self.layout = path, layout
        self.rows = self.messages = 0
        self.any_large = self.any_odd = False
        self.carried = [0] * len(encoding.names)
        self._encoding, self._cursor = encoding, connection
        self._first: list[pa.RecordBatch] = []
        self._hashed = {f"t{i}": trait for i, trait in enumerate(layout.traits) if trait.name in layout.names}
        self._index = IndexWriter(folder)
        self._writer = RowsWriter(path, layout.schema)

    def add(self, batch: pa.RecordBatch) -> None:
        """Write the next rows, canonical."""
        rows = self.layout.of(batch, self.messages)
        self._writer.write_batch(rows)
        self._look(rows)
        self._keep_first(rows)
        self.rows += rows.num_rows
        self.messages += rows.num_rows - rows.column("message").null_count
        for n in range(len(self.carried)):
            self.carried[n] += rows.column(f"c{n}").true_count

    def _look(self, rows: pa.RecordBatch) -> None:
        self._index.add(*hash_pairs(self._cursor, rows, f"{row_hash(self._hashed)} AS row_hash"))
        users = rows.column("user_id")
        self.any_odd = self.any_odd or bool(pc.any(pc.match_substring_regex(users, _ODD)).as_py())
        if not self.any_large and self._encoding.most_bytes_of(rows) > LARGEST_MESSAGE:
            self.any_large = self._is_large(rows)

    def _is_large(self, rows: pa.RecordBatch) -> bool:
        """Whether a message is too large; all of a batch are looked at where its longest texts may make one."""
        self._cursor.register("rows_to_encode", rows)
        encoding, suspect = self._encoding, f"{self._encoding.most_bytes()} > {LARGEST_MESSAGE}"
        found = self._cursor.sql(f"""
            SELECT count(*)
            FROM ({encoding.messages(f"(FROM rows_to_encode WHERE message IS NOT NULL AND {suspect})")}
            )
            WHERE strlen(body) > {LARGEST_MESSAGE}""").fetchall()
        self._cursor.unregister("rows_to_encode")
        return bool(found[0][0])

    def _keep_first(self, rows: pa.RecordBatch) -> None:
        """Keep those by which the size of all messages is estimated, apart from their batch."""
        left = SIZED - sum(batch.num_rows for batch in self._first)
        if left > 0:
            self._first.append(rows.take(pc.indices_nonzero(rows.column("message").is_valid())[:left]))

    def first_messages(self) -> pa.Table:
        """The rows of the first messages, up to ``SIZED``."""
        return pa.Table.from_batches(self._first, self.layout.schema)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, once the file is ended."""
        return read_batches(self.path)

    def end(self) -> None:
        """No more rows come."""
        self._writer.close()

    def index(self, path: Path) -> Index | None:
        """The row index, which is written to ``path`` unless rows are few; None: two rows have one hash of their keys.
        """
        if is_few(self.rows):
            index: Index | None = self._index.index()
        else:
            names = hashed_names(tuple(self._hashed.values()))
            self._index.save(path, names)
            index = Index.load(path, names)
        return None if self._index.repeats else index

    def close(self) -> None:
        """Close what is open. The file stays."""
        self._writer.close()
        self._index.close()
        self._cursor.close()


class AsideFile:
    """Rows that are set aside. A trait has a column once it has a value, so that there may be several files.

    Args:
        connection: to hash in; is closed with this.
    """

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self._folder, self._cursor = folder, connection
        self._files: list[tuple[Path, pa.Schema, RowsWriter]] = []
        self.keys: list[Hashes] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Write the next rows, canonical."""
        if not self._files or self._files[-1][1] != batch.schema:
            path = self._folder / f"aside-{len(self._files)}.arrow"
            self._files.append((path, batch.schema, RowsWriter(path, batch.schema)))
        self._files[-1][2].write_batch(batch)
        self.keys.append(hashes(self._cursor, batch, "true").column("key_hash").to_numpy())

    def batches(self) -> Iterable[pa.RecordBatch]:
        """All rows, when no more come."""
        for path, _, writer in self._files:
            writer.close()
            yield from read_batches(path)

    def close(self) -> None:
        """Close what is open, and remove the files."""
        for path, _, writer in self._files:
            writer.close()
            path.unlink(missing_ok=True)
        self._files = []
        self._cursor.close()
