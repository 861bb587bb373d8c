"""The rules of one trait, as SQL over ``r`` and ``s``: whether it has changed, and what Candu has afterwards.

``r`` is the row of the result, ``s`` the one of the snapshot (all null for a new row). What happens to a value that
turns null depends on the sync's ``nulls``: null is sent (send), nothing is sent (omit), or a constant is sent in its
place. A trait that was never sent is left out while it is null, with any ``nulls`` (docs/candu.md: "a first-time
null is left out"). The exception: once a trait gets a constant for its nulls after nulls of it were sent, its rows with
a null are sent the constant. Which of them had a value before is not known then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from candu_sync.embedded import literal
from candu_sync.errors import ModelError
from candu_sync.rows import Result, Trait, ValueKind
from candu_sync.snapshot import Snapshot
from candu_sync.syncs import Sync

Constant = str | int | float | bool
"""A value of ``nulls`` or ``removed``."""

ISO = "'%Y-%m-%dT%H:%M:%SZ'"


def iso_text(instant: str) -> str:
    """SQL of an instant as ISO 8601. DuckDB's strftime of whole seconds goes by nanoseconds, which end in 2262.

    Example:
        >>> iso_text("t0")
        "strftime((t0)::TIMESTAMP, '%Y-%m-%dT%H:%M:%SZ')"
    """
    return f"strftime(({instant})::TIMESTAMP, {ISO})"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One trait name in a comparison.

    Attributes:
        name: the trait.
        columns: index in the traits → kind, for each kind that it has or had.
        value: the result's value, SQL.
        differs: SQL, true when the trait must be sent.
        after: index in the traits → SQL of what Candu holds afterwards, in that kind's column.
        present: SQL, true when a row that is sent whole carries it: Candu holds a value afterwards, and the model
            gives one (a column that is gone, or a null that is to be omitted, is not sent).
        stored: the indexes that the snapshot has.
        had: SQL, true when Candu has a value of it.
    """

    name: str
    columns: dict[int, ValueKind]
    value: str
    differs: str
    after: dict[int, str]
    present: str
    stored: frozenset[int]
    had: str

    def old_differs(self, constant: Constant) -> str:
        """SQL, true when what Candu holds now is not this constant."""
        kind = kind_of_constant(constant)
        tests = [f"s.t{i} IS DISTINCT FROM {sql_constant(constant)}" for i, k in self.columns.items()
                 if k is kind and i in self.stored]
        return f"({' OR '.join(tests)})" if tests else "true"


def kind_of_constant(constant: Constant) -> ValueKind:
    """The kind of a constant from the YAML."""
    if isinstance(constant, bool):
        return ValueKind.BOOLEAN
    return ValueKind.TEXT if isinstance(constant, str) else ValueKind.NUMBER


def sql_constant(constant: Constant) -> str:
    """A constant from the YAML as a SQL literal."""
    if isinstance(constant, bool):
        return "true" if constant else "false"
    return literal(constant) if isinstance(constant, str) else f"{float(constant)!r}::DOUBLE"


def compared_traits(sync: Sync, result: Result, snapshot: Snapshot) -> tuple[tuple[Trait, ...], tuple[Compared, ...]]:
    """The traits of both sides, the snapshot's first, and the rules of each name.

    Raises:
        ModelError: ``nulls`` names a trait that the model does not have.
    """
    for name in sync.nulls if isinstance(sync.nulls, dict) else ():
        if name not in result.names:
            raise ModelError(f"{sync.name}: `nulls` names the trait {name}, which the model does not give. "
                             f"It gives: {', '.join(result.names)}")
    traits = [] if sync.kind == "events" else list(snapshot.traits)
    # A version may have traits and no rows: then there is nothing to compare with.
    stored = frozenset(range(len(traits))) if snapshot.has("base") else frozenset()
    for trait in with_constants(sync, [trait for trait in result.traits if trait.kind is not ValueKind.EMPTY]):
        if trait not in traits:
            traits.append(trait)
    names = list(dict.fromkeys(trait.name for trait in traits))
    replaced = nulls_to_replace(sync, snapshot)
    return tuple(traits), tuple(_compared(name, traits, stored, sync, result, catch_up=name in replaced)
                                for name in names)


def with_constants(sync: Sync, given: Iterable[Trait]) -> tuple[Trait, ...]:
    """The traits that a model gives, then those of the constants that ``nulls`` and ``removed`` set, each once.

    Example:
        >>> sync = sync.model_copy(update={"nulls": {"plan": "none", "seats": 0}})
        >>> [trait.name for trait in with_constants(sync, [Trait("plan", ValueKind.TEXT)])]
        ['plan', 'seats']
    """
    constants = [item for rule in (sync.nulls, sync.removed) if isinstance(rule, dict) for item in rule.items()]
    return tuple(dict.fromkeys([*given, *(Trait(name, kind_of_constant(value)) for name, value in constants)]))


def nulls_to_replace(sync: Sync, snapshot: Snapshot) -> set[str]:
    """The traits of which Candu was sent nulls, before ``nulls`` had a constant for them.

    Example:
        >>> sync = sync.model_copy(update={"nulls": {"plan": "none"}})
        >>> nulls_to_replace(sync, Snapshot(kind="users", nulled=frozenset({"plan", "seats"})))
        {'plan'}
    """
    return {name for name in sync.nulls if name in snapshot.nulled} if isinstance(sync.nulls, dict) else set()


def _compared(name: str, traits: list[Trait], stored: frozenset[int], sync: Sync, result: Result, *,
              catch_up: bool) -> Compared:
    """``catch_up``: a null that the snapshot has is to become a constant."""
    columns = {i: trait.kind for i, trait in enumerate(traits) if trait.name == name}
    old = {i: f"s.t{i}" if i in stored else "NULL" for i in columns}
    had = _any(old)
    if name not in result.names:
        return Compared(name=name, columns=columns, value="NULL", differs="false", after=old, present="false",
                        stored=stored, had=had)
    if sync.nulls == "omit":  # a null keeps the old value, and of a row in doubt that is not known
        old = {i: f"CASE WHEN s.doubt IS NOT TRUE THEN {sql} END" if sql != "NULL" else sql for i, sql in old.items()}
    source = result.names.index(name)
    kind = result.kinds[source]
    value = "NULL" if kind is ValueKind.EMPTY else f"r.t{source}"
    sent_before = "s.key IS NOT NULL" if catch_up else _any(old)
    after = {i: _after(value if k is kind else "NULL", value, old[i], k, sync, name, sent_before)
             for i, k in columns.items()}
    differs = " OR ".join(f"{after[i]} IS DISTINCT FROM {old[i]}" for i in columns if after[i] != old[i]) or "false"
    twin = _same_instant(columns, value, kind, old)
    if twin:
        differs = f"({differs}) AND NOT {twin}"
        after = {i: f"CASE WHEN {twin} THEN {old[i]} ELSE {sql} END" for i, sql in after.items()}
    present = f"({value} IS NOT NULL)" if sync.nulls == "omit" else _any(after)
    return Compared(name=name, columns=columns, value=value, differs=differs, after=after, present=present,
                    stored=stored, had=had)


def _any(values: dict[int, str]) -> str:
    return "(" + " OR ".join(f"{sql} IS NOT NULL" for sql in values.values()) + ")"


def _after(mine: str, value: str, old: str, kind: ValueKind, sync: Sync, name: str, sent_before: str) -> str:
    """What the column of one kind holds afterwards. ``mine``: the result's value when it is of this kind."""
    if sync.nulls == "omit":
        if mine == value:
            return f"coalesce({value}, {old})"
        return f"CASE WHEN {value} IS NULL THEN {old} END"
    if isinstance(sync.nulls, dict) and name in sync.nulls:
        constant = sync.nulls[name]
        instead = sql_constant(constant) if kind_of_constant(constant) is kind else "NULL"
        return f"CASE WHEN {value} IS NOT NULL THEN {mine} WHEN {sent_before} THEN {instead} END"
    return mine


def _same_instant(columns: dict[int, ValueKind], value: str, kind: ValueKind, old: dict[int, str]) -> str:
    """SQL, true when one side is an instant and the other its ISO text: Candu has the same value."""
    for index, other in columns.items():
        if old[index] == "NULL" or value == "NULL":
            continue
        if (kind, other) == (ValueKind.INSTANT, ValueKind.TEXT):
            return f"coalesce({iso_text(value)} = {old[index]}, false)"
        if (kind, other) == (ValueKind.TEXT, ValueKind.INSTANT):
            return f"coalesce({value} = {iso_text(old[index])}, false)"
    return ""
