"""How much memory a sort of the ledger's rows takes, and the rows in parts, where all of them would take more.

DuckDB's sort keeps some bytes of each row in memory, also where it uses files: ten million rows in random order passed
in 160 MB and failed in 128.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

# Bytes that rows are sorted in, at least, and for each of them: in files that is nearly as quick as in memory.
_LEAST, _EACH = 128_000_000, 24

# Bytes that a sort of few rows takes.
_FEW = 48_000_000

# A part has so many rows at least.
_FEWEST_ROWS = 100_000


def memory_for(rows: int) -> int:
    """Bytes in which so many rows are sorted quickly.

    Example:
        >>> memory_for(1_000), memory_for(10_000_000)
        (128000000, 240000000)
    """
    return max(_LEAST, _EACH * rows)


def most_rows(memory: int) -> int:
    """Rows that are sorted at once in so many bytes.

    Example:
        >>> most_rows(512_000_000)
        19333333
    """
    return max(_FEWEST_ROWS, (memory - _FEW) // _EACH)


def in_parts(rows: pa.RecordBatchReader, most: int) -> Iterator[pa.RecordBatchReader]:
    """The rows in parts of ``most``, and of one batch more at most; one part at least. Take each whole before the
    next."""
    batches = iter(rows)

    def part(batch: pa.RecordBatch | None) -> Iterator[pa.RecordBatch]:
        count = 0
        while batch is not None:
            yield batch
            count += batch.num_rows
            batch = next(batches, None) if count < most else None

    first = next(batches, None)
    while True:
        yield pa.RecordBatchReader.from_batches(rows.schema, part(first))
        first = next(batches, None)
        if first is None:
            return
