"""The ledger of one run: in a file of its own, or in one that was made of several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from candu_sync.history.layout import FOLDER, MERGED, LedgerFile, run_of
from candu_sync.state import PartitionState

if TYPE_CHECKING:
    import pyarrow.parquet as parquet


def runs_in_ledger(state: PartitionState) -> list[str]:
    """The runs that the ledger of a partition has rows of, the oldest first.

    Raises:
        StateError: the state cannot be read.
    """
    found: set[str] = set()
    for name in _files(state):
        found |= set(_parts(state, name) if _is_merged(name) else [run_of(name)])
    # A merged file may be made of merged ones.
    return sorted(run for run in found if not run.endswith(MERGED))


@contextmanager
def ledger_of(state: PartitionState, run_id: str) -> Iterator[tuple[LedgerFile, parquet.ParquetFile] | None]:
    """The file with the rows of a run, open for the block; None: the ledger has none. A file that was made of several
    has the rows of other runs, too.

    Raises:
        StateError: the state cannot be read.
    """
    # Loading this takes as long as most commands.
    import pyarrow.parquet as parquet

    path = _path_of(state, run_id)
    if path is None:
        yield None
        return
    with parquet.ParquetFile(path) as file:
        yield LedgerFile.of(file.schema_arrow.metadata), file


def _path_of(state: PartitionState, run_id: str) -> Path | None:
    own = state.store.local(state.name(FOLDER, f"{run_id}.parquet"))
    if own is not None:
        return own
    merged = (name for name in _files(state) if _is_merged(name))
    return next((state.store.local(name) for name in merged if run_id in _parts(state, name)), None)


def _files(state: PartitionState) -> list[str]:
    return [name for name in state.store.list(state.name(FOLDER) + "/") if name.endswith(".parquet")]


def _is_merged(name: str) -> bool:
    return run_of(name).endswith(MERGED)


def _parts(state: PartitionState, name: str) -> tuple[str, ...]:
    import pyarrow.parquet as parquet

    path = state.store.local(name)
    if path is None:
        return ()
    with parquet.ParquetFile(path) as file:
        return LedgerFile.of(file.schema_arrow.metadata).parts
