"""A model's result, row by row in canonical form, each row with the reason why it must be set aside, if any.

What leaves here are record batches whose columns have names of our own, since two traits may differ by case alone:

| column     | Arrow type    |                                                                  |
|------------|---------------|------------------------------------------------------------------|
| `key`      | string        | the row's identity; null when it has none                        |
| `reason`   | string        | why the row is set aside; null: it may go                        |
| `user_id`  | string        | every kind                                                       |
| `group_id` | string        | groups                                                           |
| `event`    | string        | events                                                           |
| `occurred` | timestamp[us] | events: when it happened, UTC                                    |
| `cursor`   | timestamp[us] | events with a cursor: that column, UTC                           |
| `t0` …     | canonical     | the traits, in the order of ``Result.names``; a column that has  |
|            |               | held only nulls so far is left out                               |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.errors import ModelError
from candu_sync.rows.columns import Canonical, first_reason, where
from candu_sync.rows.instants import as_instants
from candu_sync.rows.keys import ids, joined_key, key_parts
from candu_sync.rows.kinds import ARROW, Trait, Unsendable, ValueKind, kind_of_values
from candu_sync.rows.values import canonical
from candu_sync.suggestions import nearest
from candu_sync.syncs import Sync

NULL_EVENT = "null event"

NULL_TIMESTAMP = "null timestamp"

RESERVED_EVENT = "event name is Candu's own (candu.sdk.)"

EMAIL_NOT_TEXT = "email is not text"

_Convert = Callable[[pa.Array], Canonical]

_ID_COLUMNS = {"users": ("user_id",), "groups": ("group_id", "user_id"), "events": ("user_id",)}


class Result:
    """The canonical rows of one query.

    Args:
        sync: whose model it is.
        columns: the names of the query's columns, in order.

    Attributes:
        names: the traits' names, in the order of the columns ``t0``, ``t1``, …
        kinds: their kinds; complete once ``batches`` is exhausted.
        not_finite: trait → NaN and ±Inf that became null.

    Raises:
        ModelError: a required column is missing, or two columns give one trait.
    """

    def __init__(self, sync: Sync, columns: list[str]) -> None:
        _check_columns(sync, columns)
        self._sync = sync
        self._traits = trait_columns(sync, columns)
        self.names = list(self._traits.values())
        self.kinds = [ValueKind.EMPTY] * len(self.names)
        self.not_finite: Counter[str] = Counter()
        self._refused: dict[str, str] = {}

    @property
    def traits(self) -> list[Trait]:
        """The traits with their kinds so far, in the order of ``names``."""
        return [Trait(name, kind) for name, kind in zip(self.names, self.kinds, strict=True)]

    def batches(self, reading: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of the reading, canonical; the reading is taken batch by batch.

        Raises:
            ModelError: a column's type cannot be sent, and no row of it can.
        """
        for batch in reading:
            if batch.num_rows:
                yield self._canonical(batch)
        for index, name in enumerate(self.names):
            if name in self._refused and self.kinds[index] is ValueKind.EMPTY:
                raise ModelError(f"{self._sync.name}: column {name}: {self._refused[name]}")

    def _canonical(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns: dict[str, pa.Array] = {}
        reasons: list[pa.Array | None] = []
        self._add_key(batch, columns, reasons)
        if self._sync.kind == "events":
            self._add_event(batch, columns, reasons)
        for index, column in enumerate(self._traits):
            trait, reason = self._trait(index, batch.column(column))
            reasons.append(reason)
            if self.kinds[index] is not ValueKind.EMPTY:
                columns[f"t{index}"] = trait
        reason = first_reason(*reasons)
        columns["reason"] = pa.nulls(batch.num_rows, pa.string()) if reason is None else reason
        return pa.RecordBatch.from_pydict(columns)

    def _add_key(self, batch: pa.RecordBatch, columns: dict[str, pa.Array], reasons: list[pa.Array | None]) -> None:
        id_columns = _ID_COLUMNS[self._sync.kind]
        for name in id_columns:
            id_ = self._of(name, batch, ids)
            columns[name] = id_.values
            reasons.append(id_.reasons)
        parts = []
        for name in self._sync.key:
            if name in id_columns:
                parts.append(columns[name])
                continue
            part = self._of(name, batch, lambda array: key_parts(array, self._sync.timezone))
            parts.append(part.values)
            reasons.append(part.reasons)
        columns["key"] = parts[0] if len(parts) == 1 else joined_key(parts)

    def _add_event(self, batch: pa.RecordBatch, columns: dict[str, pa.Array], reasons: list[pa.Array | None]) -> None:
        event = self._of("event", batch, ids).values
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(event)), 0)
        columns["event"] = event
        reasons.append(where(pc.fill_null(blank, True), NULL_EVENT))
        reasons.append(where(pc.starts_with(event, "candu.sdk."), RESERVED_EVENT))
        at = self._of("timestamp", batch, lambda array: as_instants(array, self._sync.timezone))
        columns["occurred"] = at.values
        reasons += [at.reasons, where(at.values.is_null(), NULL_TIMESTAMP)]
        if self._sync.cursor is not None:
            cursor = self._of(self._sync.cursor.column, batch, lambda array: as_instants(array, self._sync.timezone))
            columns["cursor"] = cursor.values

    def _of(self, column: str, batch: pa.RecordBatch, convert: _Convert) -> Canonical:
        try:
            return convert(batch.column(column))
        except Unsendable as error:
            raise ModelError(f"{self._sync.name}: column {column}: {error}") from None

    def _trait(self, index: int, array: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """A trait's column, and why its rows must be set aside: a value that is no value, or of another kind."""
        name = self.names[index]
        try:
            found = canonical(array, self._sync.timezone)
            kind = kind_of_values(found.values)
        except Unsendable as error:
            self._refused[name] = str(error)
            empty = pa.nulls(len(array), ARROW[self.kinds[index]])
            return empty, where(array.is_valid(), f"{name} holds a type that cannot be sent")
        if found.not_finite:
            self.not_finite[name] += found.not_finite
        if self.kinds[index] is ValueKind.EMPTY:
            self.kinds[index] = kind
        expected = self.kinds[index]
        if kind is not expected:
            empty = pa.nulls(len(array), ARROW[expected])
            mixed = where(array.is_valid(), f"{name} is {kind}, elsewhere {expected}")
            return empty, found.reasons if kind is ValueKind.EMPTY else mixed
        if name == "email" and kind is not ValueKind.TEXT:
            return found.values, where(found.values.is_valid(), EMAIL_NOT_TEXT)
        return found.values, found.reasons


def trait_columns(sync: Sync, columns: list[str]) -> dict[str, str]:
    """Which columns become traits or properties: column → trait, in the query's order."""
    return {c: sync.rename.get(c, c) for c in columns if c not in sync.message_columns and c not in sync.omit}


def _check_columns(sync: Sync, columns: list[str]) -> None:
    for needed in sync.required_columns:
        if needed not in columns:
            near = nearest(needed, columns)
            hint = f"; did you mean {near}? Name it with `as {needed}`" if near else ""
            raise ModelError(f"{sync.name}: the model has no column {needed}, which a sync of {sync.kind} needs{hint}. "
                             f"It has: {', '.join(columns)}")
    for listed in (*sync.rename, *sync.omit):
        if listed not in columns:
            raise ModelError(f"{sync.name}: the YAML names column {listed}, which the model does not have. "
                             f"It has: {', '.join(columns)}")
    counts = Counter(trait_columns(sync, columns).values())
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ModelError(f"{sync.name}: two columns give the trait {twice[0]}: rename or omit one of them")
