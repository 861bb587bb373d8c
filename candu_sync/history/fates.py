"""What became of each message of a batch, by the receipts: vectorised, since a run may have millions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from candu_sync.state import Outcome

_NONE, _UNCERTAIN, _ACCEPTED, _REFUSED = range(4)
_WORDS = pa.array([None, "uncertain", "accepted", "refused"], pa.string())
_COLUMNS = pa.schema([("outcome", pa.string()), ("status", pa.int16()), ("reason", pa.string()),
                      ("attempts", pa.int16()), ("at", pa.timestamp("s", "UTC"))])


class Fates:
    """The receipts of a run, to be looked up by the numbers of messages.

    Args:
        outcome: the receipts.
        at: the time of the commit (UTC, whole seconds), for rows without an answer.
    """

    def __init__(self, outcome: Outcome, at: dt.datetime) -> None:
        self._at = int(at.timestamp())
        accepted = sorted(zip(outcome.accepted, outcome.accepted_at, strict=True))
        self._accepted = _Ranges([pair for pair, _ in accepted])
        self._accepted_at = np.array([_seconds(text) for _, text in accepted], np.int64)
        self._uncertain = _Ranges(outcome.uncertain)
        self._refused = dict(sorted(outcome.rejected.items()))
        self._refused_numbers = np.array(list(self._refused), np.int64)
        self._attempts, self._attempt_counts = _sweep(outcome.sent)

    def of(self, numbers: pa.Array) -> dict[str, pa.Array]:
        """Columns for messages of these numbers (int64, no nulls): outcome (string; null: the message did not go),
        status (int16), reason (string), attempts (int16), at (timestamp[s], UTC)."""
        wanted = numbers.to_numpy(zero_copy_only=False)
        fate = np.full(len(wanted), _NONE, np.int8)
        at = np.full(len(wanted), self._at, np.int64)
        fate[self._uncertain.find(wanted) >= 0] = _UNCERTAIN
        found = self._accepted.find(wanted)
        there = found >= 0
        fate[there] = _ACCEPTED
        at[there] = self._accepted_at[found[there]]
        status, reason = self._refusals(wanted, fate, at)
        attempts = self._attempt_counts[np.searchsorted(self._attempts, wanted, "right")]
        return {"outcome": _WORDS.take(pa.array(fate)), "status": status, "reason": reason,
                "attempts": pa.array(attempts.astype(np.int16)), "at": pa.array(at, pa.timestamp("s", "UTC"))}

    def _refusals(self, wanted: np.ndarray, fate: np.ndarray, at: np.ndarray) -> tuple[pa.Array, pa.Array]:
        refused = np.flatnonzero(np.isin(wanted, self._refused_numbers))
        statuses: list[int | None] = [None] * len(wanted) if len(refused) else []
        reasons: list[str | None] = [None] * len(wanted) if len(refused) else []
        if not len(refused):
            return pa.nulls(len(wanted), pa.int16()), pa.nulls(len(wanted), pa.string())
        for row in refused:
            status, reason, when = self._refused[int(wanted[row])]
            fate[row], at[row] = _REFUSED, _seconds(when)
            statuses[row], reasons[row] = status or None, reason
        return pa.array(statuses, pa.int16()), pa.array(reasons, pa.string())


class _Ranges:
    """Ranges of numbers, both ends included, in order, none over another."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        pairs = np.array(list(ranges), np.int64).reshape(-1, 2)
        self._low, self._high = pairs[:, 0], pairs[:, 1]

    def find(self, numbers: np.ndarray) -> np.ndarray:
        """The place of the range that holds each number; -1: none does."""
        if not len(self._low):
            return np.full(len(numbers), -1)
        place = np.searchsorted(self._low, numbers, "right") - 1
        return np.where((place >= 0) & (numbers <= self._high[place]), place, -1)


def _sweep(sent: Iterable[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """How often each number was sent: the numbers at which the count changes, and the counts between them."""
    edges: dict[int, int] = {}
    for low, high in sent:
        edges[low] = edges.get(low, 0) + 1
        edges[high + 1] = edges.get(high + 1, 0) - 1
    changes = sorted(edges)
    return np.array(changes, np.int64), np.cumsum([0, *(edges[number] for number in changes)])


def _seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def with_fates_schema(schema: pa.Schema) -> pa.Schema:
    """The columns that ``with_fates`` gives for batches of this schema."""
    return pa.schema([*schema, *_COLUMNS])


def with_fates(batches: Iterator[pa.RecordBatch], fates: Fates) -> Iterator[pa.RecordBatch]:
    """Batches with a column ``message``, with their fates. Rows whose message did not go are left out."""
    for batch in batches:
        going = batch.filter(batch.column("message").is_valid())
        found = fates.of(going.column("message"))
        columns = dict(zip(going.schema.names, going.columns, strict=True)) | found
        yield pa.RecordBatch.from_pydict(columns).filter(found["outcome"].is_valid())
