"""Which traits Candu was sent a null of. Once their sync has a constant for nulls, it is sent for those nulls, too."""

from __future__ import annotations

import duckdb

from candu_sync.changes import ChangeSet
from candu_sync.embedded import literal
from candu_sync.snapshot import FORGOTTEN
from candu_sync.state import Outcome, Version


def nulled_traits(connection: duckdb.DuckDBPyConnection, old: Version, changes: ChangeSet,
                  outcome: Outcome) -> tuple[str, ...]:
    """The names of the traits of which Candu may still hold a null that was sent.

    Args:
        connection: with the view ``accepted``.
        old: the version that the changes were computed from.

    Returns:
        Those of before, and those of which a null is accepted now. A name is left out when constants took the place of
        all its nulls, or the model no longer gives the trait.
    """
    if changes.kind == "events" or not old.number:
        return ()
    gone = {FORGOTTEN, *changes.summary.gone_traits, *(changes.constants_for if _whole(changes, outcome) else ())}
    return tuple(sorted((set(old.nulled) | _sent_now(connection, changes)) - gone))


def _whole(changes: ChangeSet, outcome: Outcome) -> bool:
    """Whether all rows that can be sent were compared, and Candu accepted all messages. An invalid row does not count:
    one that is invalid in every run would let the constants go to new rows, too."""
    summary = changes.summary
    return outcome.settled == (summary.messages, 0) and not (summary.held or changes.keys)


def _sent_now(connection: duckdb.DuckDBPyConnection, changes: ChangeSet) -> set[str]:
    columns: dict[str, list[str]] = {}
    for i, trait in enumerate(changes.traits):
        columns.setdefault(trait.name, []).append(f"t{i} IS NULL")
    tests = [f"CASE WHEN bool_or(c{n} AND {' AND '.join(nulls)}) THEN {literal(name)} END"
             for n, (name, nulls) in enumerate(columns.items())]
    found = connection.execute(f"""
        SELECT {', '.join(tests) or 'NULL'}
        FROM accepted
        WHERE op <> 'removed'""").fetchall()
    return {name for row in found for name in row if name is not None}
