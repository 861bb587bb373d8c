"""The change set of a first run of users, written while the rows are read: no table is made of them.

    canonical rows ──► rows that may go ──► changes.arrow, which has the columns of a snapshot's base, too
                  │              └────────► base_index.arrow, its row index
                  └──► rows that are set aside ──► files of their own, at the end the table ``result``

When Candu has accepted all of it, the commit takes the two files as they are (``commit.next_version``). What is found,
sent and set aside is the same as by the general way (the room ``diff``). That one is taken, with the rows that were
written here, where rows must be compared with each other, or one must be left out: a key comes twice, or a message is
too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.changes.added_file import AddedFile, AsideFile
from candu_sync.changes.added_rows import FLAGS, AddedRows, traits_of
from candu_sync.changes.change_set import BASE_INDEX, CHANGES, write_invalid
from candu_sync.changes.messages import Encoding
from candu_sync.changes.outgoing import make_outgoing
from candu_sync.changes.summary import Summary, estimated_bytes, most_frequent, odd_ids, reasons_of, sample_of
from candu_sync.diff import Diff, compared_traits, load, set_unsendable_aside, with_constants
from candu_sync.embedded import arrow_file, give_memory_back
from candu_sync.rows import Result, Trait
from candu_sync.snapshot import Snapshot
from candu_sync.syncs import Sync

# Rows of a batch that is written: smaller ones wait for each other, larger ones are cut.
_LEAST, _MOST = 50_000, 100_000

# Rows after which memory is given back: tens of milliseconds each time, and 200 MB less at the peak.
_GIVEN_BACK = 500_000


class FirstRun:
    """Takes all rows of a result, then says what is to be sent. Close it, or use it as a block.

    Args:
        connection: an empty engine; gets ``result``, of the rows that are set aside, and other relations of a plan.
        sync: of users, whose key is one column.
        result: whose canonical batches come.
        folder: an empty one, for the files of the change set.
        encode: how rows with these traits become messages.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, sync: Sync, result: Result, folder: Path,
                 encode: Callable[[tuple[Trait, ...]], Encoding]) -> None:
        self._connection, self._sync, self._result = connection, sync, result
        self.folder, self._encode = folder, encode
        self._open = ExitStack()
        self._files: list[AddedFile] = []
        self._aside = AsideFile(folder, connection.cursor())
        self._open.callback(self._aside.close)
        self._waiting: list[pa.RecordBatch] = []
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open. The files of the change set stay."""
        self._open.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows, canonical."""
        if batch.column("reason").null_count < batch.num_rows:
            kept = batch.column("reason").is_null()
            self._aside.add(batch.filter(pc.invert(kept)))
            batch = batch.filter(kept)
        if self._waiting and batch.schema != self._waiting[0].schema:
            self._write_waiting()
        self._waiting.append(batch)
        if sum(part.num_rows for part in self._waiting) >= _LEAST:
            self._write_waiting()

    def finish(self, run_id: str) -> tuple[Diff, Summary] | None:
        """What was found, when all rows were taken. The files are written.

        Returns:
            None: the general way must look at the rows, which ``again`` gives.

        Raises:
            ModelError: the YAML names a trait that the model does not give.
        """
        self._write_waiting()
        traits, compared = compared_traits(self._sync, self._result, Snapshot(kind=self._sync.kind))
        rows = self._in_one(traits)
        index = rows.index(self.folder / BASE_INDEX)
        if rows.any_large or index is None or any(index.has_any(keys) for keys in self._aside.keys):
            return None
        connection, sync = self._connection, self._sync
        load(connection, sync, self._result, self._aside.batches())
        set_unsendable_aside(connection, sync, self._result)
        write_invalid(connection, self.folder, run_id)
        reasons = reasons_of(connection)
        invalid = sum(reasons.values())
        diff = Diff(traits=traits, compared=compared, rows=rows.rows + invalid, invalid=invalid, snapshot_rows=0,
                    not_finite=dict(self._result.not_finite))
        return diff, self._summary(rows, diff, reasons)

    def again(self) -> Iterator[pa.RecordBatch]:
        """All rows, canonical, after ``finish``: in their order those that may go, then those that are set aside."""
        for file in self._files:
            yield from map(file.layout.again, file.batches())
        yield from self._aside.batches()

    def discard(self) -> None:
        """Close it, and remove all that it wrote."""
        self.close()
        for path in self.folder.iterdir():
            path.unlink()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        traits = with_constants(self._sync, traits_of(self._result.names, self._waiting[0]))
        together = pa.Table.from_batches(self._waiting).combine_chunks().to_batches()
        self._waiting = []
        self._give_back(sum(batch.num_rows for batch in together))
        for batch in together:
            # A trait has its first value: the rows from here on are of another form.
            if not self._files or self._files[-1].layout.traits != traits:
                self._begin(traits)
            for start in range(0, batch.num_rows, _MOST):
                self._files[-1].add(batch.slice(start, _MOST))

    def _give_back(self, rows: int) -> None:
        """Give memory back now and then, by the number of rows that came."""
        if (self._taken + rows) // _GIVEN_BACK > self._taken // _GIVEN_BACK:
            give_memory_back()
        self._taken += rows

    def _begin(self, traits: tuple[Trait, ...]) -> AddedFile:
        layout = AddedRows(tuple(self._result.names), traits, as_base=True)
        path = self.folder / (f"part-{len(self._files)}-{CHANGES}" if self._files else CHANGES)
        file = AddedFile(path, layout, self._encode(traits), self._connection.cursor(), self.folder)
        self._open.callback(file.close)
        self._files.append(file)
        return file

    def _in_one(self, traits: tuple[Trait, ...]) -> AddedFile:
        """All rows that may go in one file, with these traits."""
        for file in self._files:
            file.end()
        parts, last = self._files, self._files[-1] if self._files else None
        if last is None or len(parts) > 1 or last.layout.traits != traits:
            self._files = [*parts]
            last = self._begin(traits)
            for part in parts:
                for batch in map(part.layout.again, part.batches()):
                    last.add(batch)
            last.end()
            for part in parts:
                part.path.unlink()
            self._files = [last]
            last.path = last.path.replace(self.folder / CHANGES)
        return last

    def _summary(self, rows: AddedFile, diff: Diff, reasons: dict[str, int]) -> Summary:
        connection, encoding = self._connection, self._encode(diff.traits)
        first = rows.first_messages()
        connection.register("changes", first)
        make_outgoing(connection, encoding)
        connection.execute("CREATE TABLE held (message BIGINT)")
        connection.execute("CREATE TEMP TABLE previous (key VARCHAR)")
        size = estimated_bytes(connection, encoding, rows.messages)
        sample = sample_of(connection, self._sync, diff, ["added"] if rows.rows else [])
        connection.register("changes", arrow_file(rows.path, without=FLAGS))
        return Summary(
            rows=diff.rows, added=rows.rows, changed=0, removed=0, unchanged=0, invalid=diff.invalid, held=0,
            messages=rows.messages, bytes=size, snapshot_rows=0, not_finite=diff.not_finite, reasons=reasons,
            sample=sample, traits=most_frequent(zip((c.name for c in diff.compared), rows.carried, strict=True)),
            odd_ids=odd_ids(connection, self._sync, "changes") if rows.any_odd else {})
