"""How long the ledger is kept, and in how many files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from candu_sync.history.layout import (
    FOLDER,
    MERGED,
    ROW_GROUP,
    HistoryPolicy,
    LedgerFile,
    parquet_options,
    run_of,
)
from candu_sync.history.unreported import NOTES
from candu_sync.state import PartitionState, Store, remove_folder

# Small files of one sync and partition. If there are more, they are merged: reading a footer costs a millisecond on a
# disk and a request in an object store.
MOST_FILES = 64

# Bytes of a file that counts as small: some 20,000 rows.
SMALL = 1_000_000

# The day on which files of all syncs and partitions were last looked at.
_TIDIED = "history-tidied"

# Seconds.
_DAY = 86_400.0


def tidy(state: PartitionState, policy: HistoryPolicy, now: dt.datetime) -> None:
    """Remove what is too old, or too much, and merge small files.

    Files of all syncs and partitions count, once a day for their age: most partitions of a day or an hour never run
    again.
    """
    put_together(state, _without_old(state.store, _files(state), policy.days, now))
    if _first_of_day(state, now):
        drop_old_everywhere(state.store, policy.days, now)
        drop_notes(state.store, policy.days, now)
    if policy.most_bytes:
        drop_oldest(state.store, policy.most_bytes)


def _first_of_day(state: PartitionState, now: dt.datetime) -> bool:
    today = now.date().isoformat().encode()
    if state.store.get(_TIDIED) == today:
        return False
    state.store.put(_TIDIED, today)
    return True


def drop_old(state: PartitionState, days: float, now: dt.datetime) -> int:
    """Remove ledger files whose run began more than ``days`` before ``now`` (aware). Returns how many there were."""
    files = _files(state)
    return len(files) - len(_without_old(state.store, files, days, now))


def _without_old(store: Store, files: Mapping[str, int], days: float, now: dt.datetime) -> dict[str, int]:
    """Remove those that are too old. Returns the files that stay, with their bytes."""
    old = set(_too_old(files, days, now))
    _drop(store, old)
    return {name: size for name, size in files.items() if name not in old}


def drop_old_everywhere(store: Store, days: float, now: dt.datetime) -> int:
    """As ``drop_old``, in all syncs and partitions."""
    return _drop(store, _too_old(_ledgers(store), days, now))


def drop_notes(store: Store, days: float, now: dt.datetime) -> int:
    """Remove the notes of runs that the report tables never took, where the ledger has no rows of the run any more."""
    return _drop(store, _too_old(store.list(NOTES), days, now))


def _too_old(names: Iterable[str], days: float, now: dt.datetime) -> list[str]:
    began = {name: run_began(run_of(name)) for name in names}
    return [name for name, at in began.items() if at is not None and (now - at).total_seconds() > days * _DAY]


def drop_oldest(store: Store, most_bytes: int) -> int:
    """Remove ledger files of all syncs and partitions, the oldest first, until the others take no more than
    ``most_bytes``. A file stays while its run has not made its version. Returns how many were removed."""
    sizes = _ledgers(store)
    over, gone = sum(sizes.values()) - most_bytes, []
    for name in sorted(sizes, key=run_of):
        if over <= 0:
            break
        if not _unfinished(store, name):
            gone.append(name)
            over -= sizes[name]
    return _drop(store, gone)


def _ledgers(store: Store) -> dict[str, int]:
    """The ledger files of all syncs and partitions, with their bytes."""
    return {name: size for name, size in store.sizes("").items()
            if name.endswith(".parquet") and name.split("/")[2:-1] == [FOLDER]}


def _unfinished(store: Store, name: str) -> bool:
    """Whether the run of a ledger file still has its claim."""
    claims = store.list(f"{name.rpartition(f'/{FOLDER}/')[0]}/claims/")
    return any(run_of(name).encode() in (store.get(claim) or b"") for claim in claims)


def _drop(store: Store, names: Collection[str]) -> int:
    for name in names:
        store.delete(name)
    return len(names)


def run_began(run_id: str) -> dt.datetime | None:
    """When a run began, by its name; None: the name says nothing of it.

    Example:
        >>> run_began("20261101T060000-1a2b3c4d").isoformat()
        '2026-11-01T06:00:00+00:00'
    """
    try:
        return dt.datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def put_together(state: PartitionState, files: Mapping[str, int] | None = None) -> int:
    """Merge small files when there are more than ``MOST_FILES``. Returns how many were merged.

    Args:
        files: those of the partition, with their bytes; None: they are listed.

    Those that were merged on the same day before are merged with them: so there are few files for each day, and a file
    is not kept because a much newer one is in it. The new file is put first, and names those that it replaces. They are
    removed after it. A reader that finds both reads only the new one, so a crash in between shows no row twice.
    """
    small = [name for name, size in (_files(state) if files is None else files).items() if size <= SMALL]
    new = [name for name in small if not run_of(name).endswith(MERGED)]
    if len(new) <= MOST_FILES:
        return 0
    today = _day_of(new[-1])
    groups: dict[LedgerFile, dict[str, tuple[str, ...]]] = {}
    for name in small:
        if name in new or _day_of(name) == today:
            about = _about(state, name)
            if about is not None:
                groups.setdefault(replace(about, parts=()), {})[name] = about.parts
    return sum(_join(state, about, found) for about, found in groups.items() if len(found) > 1)


def _day_of(name: str) -> str:
    """The day on which a file's run began, or its newest run."""
    return run_of(name)[:8]


def _files(state: PartitionState) -> dict[str, int]:
    """The ledger files of a partition, with their bytes."""
    return {name: size for name, size in state.store.sizes(state.name(FOLDER, "")).items() if name.endswith(".parquet")}


def _about(state: PartitionState, name: str) -> LedgerFile | None:
    import pyarrow.parquet as parquet

    path = state.store.local(name)
    if path is None:
        return None
    with parquet.ParquetFile(path) as file:
        # Files from before and after a rename are merged under the sync's present name.
        return replace(LedgerFile.of(file.schema_arrow.metadata), sync=state.sync)


def _join(state: PartitionState, about: LedgerFile, files: dict[str, tuple[str, ...]]) -> int:
    """Merge files of one kind; returns how many there were.

    Args:
        files: name → the names of those that it was made of.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    def rows_of(path: Path) -> pa.Table:
        with parquet.ParquetFile(path) as file:
            return file.read()

    made_of = {part for parts in files.values() for part in parts}
    # After a crash one and what it was made of may both be there.
    read = [name for name in files if run_of(name) not in made_of]
    tables = [rows_of(path) for path in map(state.store.local, read) if path is not None]
    table = pa.concat_tables(tables, promote_options="default").sort_by("user_id")
    parts = made_of.union(map(run_of, files))
    # Its age is that of its newest run. The number makes the name another one than that of a file in it: a process that
    # has read a file of an object store does not read one of the same name again.
    newest = max("-".join(part.split("-")[:2]) for part in parts)
    new = f"{newest}-{len(parts)}{MERGED}"
    table = table.replace_schema_metadata(replace(about, parts=tuple(sorted(parts))).metadata())
    folder = state.store.scratch()
    try:
        path: Path = folder / f"{new}.parquet"
        parquet.write_table(table, path, row_group_size=ROW_GROUP, **parquet_options(table.schema.names))
        state.store.add(state.name(FOLDER, path.name), path)
    finally:
        remove_folder(folder)
    state.store.delete_all(list(files))
    return len(files)
