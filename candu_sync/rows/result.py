"""A model's result, row by row in canonical form, each row with the reason why it must be set aside, if any.

The result is record batches whose columns have names of our own, since two traits may differ only by case:

| column     | Arrow type    |                                                                  |
|------------|---------------|------------------------------------------------------------------|
| `key`      | string        | the row's identity; null when it has none                        |
| `reason`   | string        | why the row is set aside; null: it is sent                        |
| `user_id`  | string        | every kind                                                       |
| `group_id` | string        | groups                                                           |
| `event`    | string        | events                                                           |
| `occurred` | timestamp[us] | events: when it happened, UTC                                    |
| `cursor`   | timestamp[us] | events with a cursor: that column, UTC                           |
| `t0` …     | canonical     | the traits, in the order of ``Result.names``; a column that has  |
|            |               | held only nulls so far is left out                               |
| carried    | as it comes   | further columns of the query (``Result``'s ``carried``); null    |
|            |               | where NaN or ±Inf became null in the row                         |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.arrow_types import UNUSABLE
from candu_sync.errors import ModelError
from candu_sync.rows.columns import Canonical, first_reason, where
from candu_sync.rows.instants import NOT_AN_INSTANT, as_instants
from candu_sync.rows.keys import NOT_AN_ID, ids, joined_key, key_parts
from candu_sync.rows.kinds import ARROW, Trait, Unsendable, ValueKind, kind_of, kind_of_values
from candu_sync.rows.refusals import Refusals, first_unusable
from candu_sync.rows.trait_kinds import TraitKinds
from candu_sync.rows.values import canonical
from candu_sync.suggestions import nearest
from candu_sync.syncs import Sync

NULL_EVENT = "null event"

NULL_TIMESTAMP = "null timestamp"

RESERVED_EVENT = "event name is Candu's own (candu.sdk.)"

# Segment's warehouses write candu.sdk.content as candu_sdk_content.
_OWN_EVENT = r"^\s*(?i:candu[._]sdk[._])"

EMAIL_NOT_TEXT = "email is not text"

EVENT_NOT_TEXT = "event name is not text"

_LOOKED_AT = 100_000
"""Rows that are looked at before a trait's kind is decided, if the first ones do not decide it."""

_Convert = Callable[[pa.Array], Canonical]

_ID_COLUMNS = {"users": ("user_id",), "groups": ("group_id", "user_id"), "events": ("user_id",)}


class Result:
    """The canonical rows of one query.

    Args:
        sync: whose model it is.
        columns: the names of the query's columns, in order.
        known: the snapshot's traits: a trait with values of several kinds keeps the kind that it has there.
        declared: column → its Arrow type in the warehouse, where its values may have other types (SQLite).
        settled: traits whose kind is known before a row is read, since it is that of rows which are not read.
        carried: columns of the batches, not of ``columns``, that are passed on.

    Attributes:
        names: the traits' names, in the order of the columns ``t0``, ``t1``, …
        kinds: their kinds; complete once ``batches`` is exhausted.
        not_finite: trait → NaN and ±Inf that became null.

    Raises:
        ModelError: a required column is missing, or two columns give one trait.

    Example:
        >>> result = Result(sync, ["user_id", "plan"])
        >>> batch = pa.record_batch({"user_id": [1, None], "plan": ["pro", "free"]})
        >>> [rows.to_pylist() for rows in result.batches([batch])][0][0]
        {'user_id': '1', 'key': '1', 't0': 'pro', 'reason': None}
        >>> result.traits
        [Trait(name='plan', kind=<ValueKind.TEXT: 'text'>)]
    """

    def __init__(self, sync: Sync, columns: list[str], *, known: Iterable[Trait] = (),
                 declared: Mapping[str, pa.DataType] | None = None, settled: Iterable[Trait] = (),
                 carried: Sequence[str] = ()) -> None:
        check_columns(sync, columns)
        self._sync = sync
        self._traits = trait_columns(sync, columns)
        self.names = list(self._traits.values())
        self.not_finite: Counter[str] = Counter()
        self._kinds = TraitKinds(self.names, known, self._declared(declared or {}))
        for trait in settled:
            self._kinds.settle(trait)
        self._carried = tuple(carried)
        self._refusals = Refusals()

    @property
    def kinds(self) -> list[ValueKind]:
        """The kinds of the traits so far, in the order of ``names``."""
        return self._kinds.kinds

    @property
    def traits(self) -> list[Trait]:
        """The traits with their kinds so far, in the order of ``names``."""
        return [Trait(name, kind) for name, kind in zip(self.names, self.kinds, strict=True)]

    def batches(self, reading: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of the reading, canonical; the reading is taken batch by batch.

        Raises:
            ModelError: the values of a column cannot be sent, and not only those of some rows.
        """
        rows, waiting = 0, list[_Part]()
        for batch in reading:
            if not batch.num_rows:
                continue
            rows += batch.num_rows
            waiting.append(self._part(batch))
            if self._kinds.in_doubt() and sum(part.rows for part in waiting) < _LOOKED_AT:
                continue
            self._kinds.decide()
            yield from map(self._finished, waiting)
            waiting.clear()
        self._kinds.decide()
        yield from map(self._finished, waiting)
        if wrong := self._refusals.whole(rows):
            raise ModelError(f"{self._sync.name}: column {wrong[0]}: {wrong[1]}")

    def _declared(self, types: Mapping[str, pa.DataType]) -> dict[str, ValueKind]:
        kinds = {}
        for column, type_ in types.items():
            with suppress(Unsendable):
                if column in self._traits:
                    kinds[self._traits[column]] = kind_of(type_)
        return kinds

    def _part(self, batch: pa.RecordBatch) -> _Part:
        part = _Part(batch.num_rows, {}, [], [self._trait(column, batch.column(column)) for column in self._traits])
        self._add_key(batch, part)
        if self._sync.kind == "events":
            self._add_event(batch, part)
        if self._carried:
            self._carry(batch, part)
        kinds = [kind_of_values(trait.values) for trait in part.traits]
        self._kinds.see(kinds)
        for column, kind in zip(self._traits, kinds, strict=True):
            if kind is not ValueKind.EMPTY:
                self._refusals.usable(column)
        return part

    def _carry(self, batch: pa.RecordBatch, part: _Part) -> None:
        lost = pa.array([False] * part.rows) if any(trait.not_finite for trait in part.traits) else None
        for column, trait in zip(self._traits, part.traits, strict=True):
            if trait.not_finite:
                lost = pc.or_(lost, pc.and_(batch.column(column).is_valid(), trait.values.is_null()))
        for name in self._carried:
            values = batch.column(name)
            part.columns[name] = values if lost is None else pc.if_else(lost, pa.scalar(None, values.type), values)

    def _finished(self, part: _Part) -> pa.RecordBatch:
        columns, reasons = dict(part.columns), list(part.reasons)
        for index, (name, kind, found) in enumerate(zip(self.names, self.kinds, part.traits, strict=True)):
            fit = _of_kind(found, name, kind)
            reasons.append(fit.reasons)
            if kind is not ValueKind.EMPTY:
                columns[f"t{index}"] = fit.values
        reason = first_reason(*reasons)
        columns["reason"] = pa.nulls(part.rows, pa.string()) if reason is None else reason
        return pa.RecordBatch.from_pydict(columns)

    def _add_key(self, batch: pa.RecordBatch, part: _Part) -> None:
        id_columns = _ID_COLUMNS[self._sync.kind]
        for name in id_columns:
            part.add(name, self._of(name, batch, ids, NOT_AN_ID))
        parts = []
        for name in self._sync.key:
            if name in id_columns:
                parts.append(part.columns[name])
                continue
            found = self._of(name, batch, lambda array: key_parts(array, self._sync.timezone), NOT_AN_ID)
            parts.append(found.values)
            part.reasons.append(found.reasons)
        part.columns["key"] = parts[0] if len(parts) == 1 else joined_key(parts)

    def _add_event(self, batch: pa.RecordBatch, part: _Part) -> None:
        event = self._of("event", batch, ids, EVENT_NOT_TEXT)
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(event.values)), 0)
        missing = pc.or_(batch.column("event").is_null(), pc.fill_null(blank, False))
        part.columns["event"] = event.values
        part.reasons.extend([where(missing, NULL_EVENT), event.reasons,
                             where(pc.match_substring_regex(event.values, _OWN_EVENT), RESERVED_EVENT)])
        at = self._of("timestamp", batch, self._instants, NOT_AN_INSTANT)
        part.add("occurred", at)
        part.reasons.append(where(at.values.is_null(), NULL_TIMESTAMP))
        if self._sync.cursor is not None:
            part.columns["cursor"] = self._of(self._sync.cursor.column, batch, self._instants, NOT_AN_INSTANT).values

    def _instants(self, array: pa.Array) -> Canonical:
        return as_instants(array, self._sync.timezone)

    def _of(self, column: str, batch: pa.RecordBatch, convert: _Convert, refused: str) -> Canonical:
        """A column that the message needs; ``refused`` is the reason for values of a type that it cannot have."""
        array = batch.column(column)
        try:
            if error := first_unusable(array):
                raise error
            found = convert(pa.nulls(len(array)) if array.type == UNUSABLE else array)
        except Unsendable as error:
            self._refusals.refused(column, array, error)
            none = convert(pa.nulls(len(array)))
            return Canonical(none.values, first_reason(where(array.is_valid(), refused), none.reasons))
        if found.values.null_count < len(array):
            self._refusals.usable(column)
        return found

    def _trait(self, column: str, array: pa.Array) -> Canonical:
        """A trait's column as it is; without its values where their type cannot be sent."""
        name = self._traits[column]
        if error := first_unusable(array):
            self._refusals.refused(column, array, error)
            return Canonical(pa.nulls(len(array)), pc.binary_join_element_wise(f"{name} holds", array.storage, " "))
        try:
            found = canonical(array, self._sync.timezone)
        except Unsendable as error:
            self._refusals.refused(column, array, error)
            return Canonical(pa.nulls(len(array)), where(array.is_valid(), f"{name} holds {error.what}"))
        if found.not_finite:
            self.not_finite[name] += found.not_finite
        return found.named(name)


@dataclass(frozen=True)
class _Part:
    """Some rows of a result, converted; their traits still have the kinds of their values.

    Attributes:
        columns: ids, key, event and times.
        reasons: why rows are set aside; string arrays, None: no row of that column is.
    """

    rows: int
    columns: dict[str, pa.Array]
    reasons: list[pa.Array | None]
    traits: list[Canonical]

    def add(self, name: str, found: Canonical) -> None:
        self.columns[name] = found.values
        self.reasons.append(found.reasons)


def _of_kind(found: Canonical, name: str, expected: ValueKind) -> Canonical:
    """Values as a trait's kind has them; those of another kind are null, with a reason."""
    kind = kind_of_values(found.values)
    if kind is expected:
        return found
    empty = pa.nulls(len(found.values), ARROW[expected])
    reason = EMAIL_NOT_TEXT if name == "email" else f"{name} is {kind}, elsewhere {expected}"
    return Canonical(empty, first_reason(found.reasons, where(found.values.is_valid(), reason)))


def trait_columns(sync: Sync, columns: list[str]) -> dict[str, str]:
    """Which columns become traits or properties: column → trait, in the query's order."""
    return {c: sync.rename.get(c, c) for c in columns if c not in sync.message_columns and c not in sync.omit}


def check_columns(sync: Sync, columns: list[str]) -> None:
    """Raise ModelError: a required column is missing, or two columns give one trait."""
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
