"""An error that all partitions of a sync have, like a column that the model lacks, is reported once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from candu_sync.cli.common import complain
from candu_sync.naming import counted, named, shortened

# Characters of the list of partitions.
_LONGEST_LIST = 300


class _Reported:
    """What was reported of the sync under way: each sentence, and the partitions that had it after the first."""

    sync: str | None = None
    repeated: dict[str, list[str]] = {}  # noqa: RUF012


@contextmanager
def once_each(sync: str) -> Iterator[None]:
    """While the block runs, ``complain_of`` reports each sentence about the sync once. At its end a line says in which
    partitions it came again."""
    _Reported.sync, _Reported.repeated = sync, {}
    try:
        yield
    finally:
        for partitions in _Reported.repeated.values():
            if partitions:
                complain(f"{sync}: the same in {counted(len(partitions), 'more partition')}: "
                         f"{shortened(', '.join(partitions), _LONGEST_LIST)}", level="error", sync=sync)
        _Reported.sync = None


def complain_of(sync: str, partition: str | None, error: str) -> None:
    """Report an error of a sync and partition on stderr."""
    sentence = same_sentence(sync, partition, error)
    if partition is not None and _Reported.sync == sync:
        if sentence in _Reported.repeated:
            _Reported.repeated[sentence].append(partition)
            return
        _Reported.repeated[sentence] = []
    complain(error if sync in error else f"{named(sync, partition)}: {error}", level="error", sync=sync,
             partition=partition)


def same_sentence(sync: str, partition: str | None, error: str) -> str:
    """An error without its partition: two that are equal say the same.

    Example:
        >>> same_sentence("users/profile", "eu", "users/profile [eu]: stopped")
        'users/profile: stopped'
    """
    return error.replace(named(sync, partition), sync)
