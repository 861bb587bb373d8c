"""The diff: a result against its snapshot, as SQL in the embedded engine.

    result ──prefilter.py──► rows that may differ ──set aside──► rows that may go ──join on key──► changes

In: the canonical batches of a ``Result`` and the snapshot's files. Out: a table ``changes`` in the connection.

| column                | meaning                                                                          |
|-----------------------|----------------------------------------------------------------------------------|
| `key`, `user_id`, …   | as in the result                                                                 |
| `op`                  | added, changed, removed; in full runs only, unchanged; refreshed: it has not     |
|                       | changed, and it is its turn (``refresh.py``). A row that is back after it was    |
|                       | gone, or that is in doubt, counts as added: it is sent whole, since what Candu   |
|                       | holds is not known                                                               |
| `t0` …                | the row's values once Candu has accepted it, as ``Diff.traits`` names them       |
| `c0` …                | whether the message carries that trait, as ``Diff.compared`` names them          |
| `new_traits_only`     | of changed rows: whether nothing but new traits changed; the column is there     |
|                       | only where the model gives new traits                                            |
| `message`             | the number of the row's message; null: nothing is sent for it, which holds for a |
|                       | user of whom no trait is to be sent                                              |

Rows that match the snapshot's row index are not compared. ``row_index.py`` says what its hashes could hide.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from candu_sync.diff.numbering import close_gaps
from candu_sync.diff.prefilter import Prefilter
from candu_sync.diff.refresh import Refresh
from candu_sync.diff.row_queries import changed_rows, constants, goes_whole, new_rows, refreshed_rows, removed_rows
from candu_sync.diff.trait_rules import Compared, compared_traits
from candu_sync.diff.unsendable_rows import set_unsendable_aside
from candu_sync.embedded import scalar
from candu_sync.rows import Result, Trait
from candu_sync.snapshot import FORGOTTEN, Snapshot, expose, expose_refused
from candu_sync.syncs import Sync


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What is in the connection after a diff.

    Attributes:
        traits: the columns ``t0`` … of ``changes``: the snapshot's traits, then the new ones.
        compared: the trait names, each with its columns; the n-th has the flag ``c<n>``.
        rows: rows of the result, equal ones counted once. ``invalid`` of them are set aside.
        snapshot_rows: rows of the snapshot that are not gone.
        gone_traits: names in the snapshot that the model no longer has.
        new_traits: names that no version of the snapshot had before, see ``Snapshot.new_traits``.
        not_finite: trait → NaN and ±Inf that became null.
    """

    traits: tuple[Trait, ...]
    compared: tuple[Compared, ...]
    rows: int
    invalid: int
    snapshot_rows: int
    gone_traits: tuple[str, ...] = ()
    new_traits: tuple[str, ...] = ()
    not_finite: dict[str, int] = field(default_factory=dict)


def diff(connection: duckdb.DuckDBPyConnection, sync: Sync, result: Result, snapshot: Snapshot, *,
         prefilter: Prefilter | None = None, full: bool = False, chosen: str | None = None,
         refresh: Refresh | None = None, unless: str | None = None) -> Diff:
    """Compare a result with its snapshot.

    Args:
        connection: an engine with the table ``result``; gets ``previous``, ``refused_before`` and ``changes``.
        result: whose batches were loaded.
        prefilter: what the batches went through; None: all of them were loaded.
        full: every row that may go is in ``changes``, whole.
        chosen: SQL of a condition (``chosen_rows``): only rows that meet it are in ``changes`` and stay in ``result``,
            whole where nothing of them changed.
        refresh: rows whose turn it is are in ``changes``, whole; None: no row is refreshed.
        unless: SQL of a condition: rows that meet it are not in ``changes``.

    Raises:
        ModelError: the YAML names a trait that the model does not give.

    Example:
        >>> import pyarrow as pa
        >>> from candu_sync.diff import load
        >>> from candu_sync.embedded import open_embedded
        >>> rows = pa.record_batch({"user_id": ["u1"], "plan": ["pro"]})
        >>> with open_embedded(100_000_000) as connection:
        ...     result = Result(sync, rows.schema.names)
        ...     load(connection, sync, result, result.batches([rows]))
        ...     found = diff(connection, sync, result, Snapshot(kind="users"))
        ...     connection.sql("SELECT key, op, t0, c0, message FROM changes").fetchall()
        [('u1', 'added', 'pro', True, 0)]
        >>> found.rows, found.invalid, found.traits[0].name
        (1, 0, 'plan')
    """
    _make_previous(connection, snapshot, prefilter)
    set_unsendable_aside(connection, sync, result)
    traits, compared = compared_traits(sync, result, snapshot)
    unchanged = full or chosen is not None
    new_traits = snapshot.new_traits(result.names)
    if sync.kind == "events" or not snapshot.has("base"):
        parts = [new_rows(sync, traits, compared)]
    else:
        parts = [changed_rows(sync, traits, compared, new_traits, full=full, unchanged=unchanged, refresh=refresh),
                 removed_rows(connection, sync, traits, compared),
                 *([] if refresh is None else [refreshed_rows(sync, traits, compared, refresh)])]
    found = "\nUNION ALL BY NAME\n".join(parts)
    wanted = " AND ".join([*([chosen] if chosen else []), *([f"NOT ({unless})"] if unless else [])])
    if wanted:
        found = f"SELECT * FROM ({found}\n) WHERE {wanted}"
    _number(connection, sync, found, len(compared), full=full, unchanged=unchanged, refresh=refresh)
    if chosen is not None:
        connection.execute(f"DELETE FROM result WHERE ({chosen}) IS NOT TRUE")
    left_out = prefilter.left_out if prefilter is not None and chosen is None else 0
    return Diff(
        traits=traits, compared=compared,
        rows=scalar(connection, "SELECT count(*) FROM result") + left_out,
        invalid=scalar(connection, "SELECT count(*) FROM result WHERE reason IS NOT NULL"),
        snapshot_rows=snapshot.rows,
        # A trait that a few named rows do not have is not gone from the others.
        gone_traits=() if chosen is not None else _gone_traits(sync, result, snapshot), new_traits=new_traits,
        not_finite=dict(result.not_finite))


def _make_previous(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, prefilter: Prefilter | None) -> None:
    """Make ``previous``, the rows of the snapshot to compare with, and ``refused_before``."""
    if prefilter is None:
        expose(connection, snapshot)
        connection.execute("CREATE TEMP VIEW previous AS FROM snapshot")
    else:
        prefilter.make_previous()
        expose_refused(connection, snapshot)


def may_be_nothing(sync: Sync, result: Result, snapshot: Snapshot) -> bool:
    """Whether there is nothing to do where the snapshot has all rows of a result as they are, and no others."""
    # A row that Candu refused before may be right now, or may have left.
    return not (snapshot.has("rejected") or _gone_traits(sync, result, snapshot))


def diff_of_nothing(sync: Sync, result: Result, snapshot: Snapshot, matched: int) -> Diff | None:
    """What ``diff`` would find, without any SQL, where no row is left to compare and no trait is gone.

    Args:
        result: all of its rows, of which there may be none, are in the snapshot as they are, and no other row of the
            snapshot is left.
        matched: how many these are, equal ones counted once.

    Returns:
        None: there may be something to do.

    Raises:
        ModelError: as ``diff``.
    """
    if not may_be_nothing(sync, result, snapshot):
        return None
    traits, compared = compared_traits(sync, result, snapshot)
    return Diff(traits=traits, compared=compared, rows=matched, invalid=0,
                snapshot_rows=snapshot.rows, not_finite=dict(result.not_finite))


def _gone_traits(sync: Sync, result: Result, snapshot: Snapshot) -> tuple[str, ...]:
    gone = {t.name for t in snapshot.traits} - set(result.names) - set(constants(sync)) - {FORGOTTEN}
    return tuple(sorted(gone))


def _number(connection: duckdb.DuckDBPyConnection, sync: Sync, found: str, flags: int, *, full: bool,
            unchanged: bool, refresh: Refresh | None) -> None:
    """Make the table ``changes`` of the rows found, and number their messages from 0.

    A row is a message, but the changed traits of a group, and its constants, are one message of the group. A user
    without a trait to send has none. Events are in the order of their time. Rows that are only refreshed come last, in
    the order of their turns: where a run sends a part of its messages, it is known how far the refresh went.

    Args:
        found: SQL of the rows, with the columns ``c0`` … of so many ``flags``.
        unchanged: unchanged rows among them are sent, too.
    """
    any_flag = " OR ".join(f"c{n}" for n in range(flags)) or "false"
    also = " OR op = 'unchanged'" if unchanged else ""
    # An identify without traits says nothing, and a strict API refuses it. A group's message without traits names a
    # member.
    sends = f"({any_flag})" if sync.kind == "users" else (
        f"(op IN ('added', 'changed', 'refreshed'){also} OR (op = 'removed' AND ({any_flag})))")
    once = "op = 'removed'" if full else "op IN ('changed', 'removed')"
    if refresh is not None:
        once = f"({once} AND NOT (op = 'changed' AND {goes_whole(refresh, 'key')}))"
    last = "" if refresh is None else f"CASE WHEN op = 'refreshed' THEN {refresh.turn()} ELSE 0 END"
    number = {"users": f"count_if({sends}) OVER ({f'ORDER BY {last} ' if last else ''}"
                       "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
              "groups": f"dense_rank() OVER (PARTITION BY {sends} ORDER BY {f'{last}, ' if last else ''}"
                        f"CASE WHEN {once} THEN group_id ELSE key END, {once})",
              "events": "row_number() OVER (ORDER BY occurred, key)"}[sync.kind]
    connection.execute(f"""
        CREATE TABLE changes AS
        SELECT *, CASE WHEN {sends} THEN ({number} - 1)::BIGINT END AS message
        FROM ({found}
        )""")


def do_without_refresh(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff, messages: str) -> None:
    """Send some rows of ``changes`` as if it were not their turn: only what changed of them.

    Args:
        connection: as ``diff`` left it.
        messages: SQL of the numbers of their messages.
    """
    if sync.payload == "changed":
        plain = changed_rows(sync, diff.traits, diff.compared)
        flags = ", ".join(f"c{n} = plain.c{n}" for n in range(len(diff.compared)))
        connection.execute(f"""
            UPDATE changes
            SET {flags}
            FROM ({plain}
            ) plain
            WHERE plain.key = changes.key AND changes.op = 'changed' AND message IN ({messages})""")
    connection.execute(f"DELETE FROM changes WHERE op = 'refreshed' AND message IN ({messages})")
    close_gaps(connection)
