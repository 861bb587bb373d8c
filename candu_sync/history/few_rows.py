"""The rows of a ledger file for a few messages, without the engine: the same as ``ledger.py`` selects in SQL.

Only where no value is kept or hashed, no row is invalid, and none was refreshed: as in a run that only adds rows.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from candu_sync.arrow_rows import read_table
from candu_sync.changes import ChangeSet
from candu_sync.history.layout import BITS, carried_columns
from candu_sync.state import Outcome

# The columns of the file, in order; groups have no event, events no group_id.
_SCHEMA = pa.schema([
    ("key", pa.string()), ("user_id", pa.string()), ("group_id", pa.string()), ("event", pa.string()),
    ("outcome", pa.string()), ("status", pa.int16()), ("reason", pa.string()), ("refresh", pa.bool_()),
    ("attempts", pa.int16()), ("at", pa.timestamp("s", "UTC")), ("digest", pa.binary())])


class _Fate(NamedTuple):
    outcome: str
    status: int | None
    reason: str | None
    at: int


def rows_of_few(changes: ChangeSet, outcome: Outcome, digests: Iterable[pa.RecordBatch], at: dt.datetime, traits: int,
                ) -> pa.RecordBatch:
    """The rows of the file, in its order.

    Args:
        outcome: the receipts of the run.
        digests: as ``DigestFile.batches`` gives them.
        at: the time of the commit (UTC, whole seconds), for rows without an answer.
        traits: how many names of traits the messages have.
    """
    fates, attempts = _fates(outcome, int(at.timestamp())), Counter(_numbers(outcome.sent))
    known = {number: digest for batch in digests for number, digest in zip(*batch.to_pydict().values(), strict=True)}
    rows = []
    for row in _sent(changes):
        number = row["message"]
        if (fate := fates.get(number)) is not None:
            rows.append({**row, **fate._asdict(), "key": None if row["key"] == row["user_id"] else row["key"],
                         "refresh": False, "attempts": attempts[number], "digest": known.get(number),
                         **_carried(row, traits)})
    rows.sort(key=lambda row: (row["user_id"], row["at"]))
    none = {"users": {"group_id", "event"}, "groups": {"event"}, "events": {"group_id"}}[changes.kind]
    carried = [pa.field(f"carried{n}", pa.uint64()) for n in range(carried_columns(traits))]
    schema = pa.schema([*(field for field in _SCHEMA if field.name not in none), *carried])
    return pa.RecordBatch.from_pylist(rows, schema)


def _fates(outcome: Outcome, at: int) -> dict[int, _Fate]:
    """What became of each message, as ``Fates`` has it."""
    fates = {number: _Fate("uncertain", None, None, at) for number in _numbers(outcome.uncertain)}
    for pair, when in zip(outcome.accepted, outcome.accepted_at, strict=True):
        fates |= dict.fromkeys(_numbers([pair]), _Fate("accepted", None, None, _seconds(when)))
    for number, (status, reason, when) in outcome.rejected.items():
        fates[number] = _Fate("refused", status or None, reason, _seconds(when))
    return fates


def _numbers(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    return (number for low, high in ranges for number in range(low, high + 1))


def _seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def _sent(changes: ChangeSet) -> list[dict[str, Any]]:
    """The rows of the messages, without their values."""
    rows = read_table(changes.outgoing)
    values = [name for name in rows.schema.names if re.fullmatch(r"t\d+", name)]
    found: list[dict[str, Any]] = rows.drop_columns(values).to_pylist()
    return found


def _carried(row: Mapping[str, Any], traits: int) -> dict[str, int]:
    """The columns ``carried0`` …: bits of the traits that a message carried."""
    return {f"carried{column}": sum(1 << n % BITS for n in range(column * BITS, min((column + 1) * BITS, traits))
                                    if row[f"c{n}"])
            for column in range(carried_columns(traits))}
