"""What a change set holds, in numbers, with a small sample of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from candu_sync.changes.messages import Encoding
from candu_sync.diff import Diff, Unidentified
from candu_sync.embedded import literal, scalar
from candu_sync.naming import counted
from candu_sync.syncs import Sync

SAMPLE_ROWS = 10

# Messages that are built for the estimate of all their bytes.
SIZED = 1000


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a change set holds, in numbers.

    Attributes:
        rows: of the result, equal ones counted once: added + changed + unchanged + invalid + held (but for those held
            that left the result).
        removed: rows of the snapshot that left the result.
        refreshed: rows among the unchanged ones that are sent again, whole, because it is their turn.
        held: rows that Candu refused before, and that have not changed since.
        messages, bytes: what would be sent, without the brackets and commas of batches; of more than ``SIZED``
            messages the bytes are estimated from the first of them.
        traits: name → messages that carry it, without those of rows that are only refreshed.
        new_traits: new trait → changed rows whose message carries it, and of which nothing but new traits changed.
        new_traits_rows: changed rows of which nothing but new traits changed; they are part of ``changed``.
        snapshot_rows: rows that Candu has and that had not left.
        gone_traits: traits of the snapshot that the model no longer gives.
        not_finite: trait → NaN and ±Inf that were taken as null.
        reasons: why rows were set aside → rows.
        odd_ids: what is odd about ids → how many: "stray spaces" at either end, "upper and lower case" (the only
            difference from another id). They are sent as they are.
        noise: sign → trait → how many changes look like noise (see ``noise.py``).
        ended_rows: rows that Candu has in the partitions that are no longer the sync's, of which this is one; None:
            this is one of the sync's, or it has none.
        sync_rows: with ``ended_rows``, the rows that Candu has in all partitions of the sync.
        identity_changes: what changed in the identity of rows (``identities.py``), one clause each.
        unidentified: users of rows to send, or held back, who were never identified; None: they were not counted.
        held_back: rows of such users that wait until they are identified (``unidentified: hold``).
        held_from: the oldest cursor and the oldest time of these, ISO 8601 in UTC; None: there is none.
        forgotten: rows of the result that were left out, of people who are forgotten; nothing else counts them.
        keys: how many keys a person named, only their rows are counted here; 0: all rows are.
        missing_keys: those of them that no row has.
        sent_between: the times between which the events lie that were sent before: the oldest, the newest, the end of
            what was sent without a gap, and None or the newest cursor; ISO 8601 in UTC. Up to two such lists: of this
            partition, and of former ones.
        late: events to send that lie between those times.
        missed: those of them that are older than the newest one sent, and than all that a run has left unsent.
        rows_elsewhere: rows in former partitions whose rows the present settings would send for this one.
        sample: up to ten rows, some of each sort: key, op, and the traits (only names, or [before, after] with
            ``preview: values``).
    """

    rows: int
    added: int
    changed: int
    removed: int
    unchanged: int
    invalid: int
    held: int
    messages: int
    bytes: int
    traits: dict[str, int]
    snapshot_rows: int
    new_traits: dict[str, int] = field(default_factory=dict)
    new_traits_rows: int = 0
    gone_traits: list[str] = field(default_factory=list)
    not_finite: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    odd_ids: dict[str, int] = field(default_factory=dict)
    noise: dict[str, dict[str, int]] = field(default_factory=dict)
    ended_rows: int | None = None
    sync_rows: int = 0
    identity_changes: list[str] = field(default_factory=list)
    unidentified: int | None = None
    held_back: int = 0
    held_from: list[str | None] = field(default_factory=lambda: [None, None])
    forgotten: int = 0
    keys: int = 0
    missing_keys: list[str] = field(default_factory=list)
    sent_between: list[list[str | None]] = field(default_factory=list)
    late: int = 0
    missed: int = 0
    rows_elsewhere: int = 0
    refreshed: int = 0


def backfill_notes(new_traits: Mapping[str, int]) -> list[str]:
    """A sentence for each new trait.

    Args:
        new_traits: as a summary or a run's result has them.

    Example:
        >>> backfill_notes({"plan_tier": 5004})
        ['backfill of plan_tier: 5,004 rows']
    """
    return [f"backfill of {name}: {counted(rows, 'row')}" for name, rows in new_traits.items()]


def summary_of_nothing(diff: Diff) -> Summary:
    """The summary of a diff that found nothing to do."""
    return Summary(rows=diff.rows, added=0, changed=0, removed=0, unchanged=diff.rows, invalid=0, held=0, messages=0,
                   bytes=0, traits={}, snapshot_rows=diff.snapshot_rows, not_finite=diff.not_finite)


def summarize(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff, encoding: Encoding) -> Summary:
    """Count what is in the connection after ``diff``, ``set_large_aside`` and ``hold_refused``."""
    ops = dict(connection.execute("SELECT op, count(*) FROM changes GROUP BY op").fetchall())
    reasons = reasons_of(connection)
    invalid = sum(reasons.values())
    added, changed, held = (ops.get(op, 0) for op in ("added", "changed", "held"))
    held_here = scalar(connection, """
        SELECT count(*)
        FROM changes
        SEMI JOIN result USING (key)
        WHERE op = 'held'""") if held else 0
    messages, traits = _carried(connection, sync, diff)
    new_traits_rows, new_traits = _new_traits(connection, diff)
    return Summary(
        rows=diff.rows, added=added, changed=changed, removed=ops.get("removed", 0), invalid=invalid, held=held,
        refreshed=ops.get("refreshed", 0),
        unchanged=diff.rows - added - changed - held_here - invalid, messages=messages,
        bytes=estimated_bytes(connection, encoding, messages), traits=traits, snapshot_rows=diff.snapshot_rows,
        new_traits=new_traits, new_traits_rows=new_traits_rows,
        gone_traits=list(diff.gone_traits), not_finite=diff.not_finite, reasons=reasons,
        sample=sample_of(connection, sync, diff, [op for op in ops if op != "held"]),
        odd_ids=odd_ids(connection, sync, "result WHERE reason IS NULL"))


def with_unidentified(summary: Summary, found: Unidentified) -> Summary:
    """The summary with what is known of users who were never identified. Rows that are held back are not unchanged."""
    times = [None if time is None else time.isoformat() for time in (found.cursor, found.occurred)]
    return replace(summary, unidentified=found.users, held_back=found.held, held_from=times,
                   unchanged=summary.unchanged - found.held)


def reasons_of(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Why rows of ``result`` are set aside → rows, the most frequent first."""
    return dict(connection.execute("""
        SELECT reason, count(*) AS n
        FROM result
        WHERE reason IS NOT NULL
        GROUP BY reason
        ORDER BY n DESC, reason""").fetchall())


def estimated_bytes(connection: duckdb.DuckDBPyConnection, encoding: Encoding, messages: int) -> int:
    """The bytes of all messages, from the first of them."""
    some = f"(FROM outgoing ANTI JOIN held USING (message) LIMIT {SIZED})"
    size, count = connection.execute(f"""
        SELECT coalesce(sum(strlen(body)), 0), count(*)
        FROM ({encoding.messages(some)}
        )""").fetchall()[0]
    return round(size * messages / count) if count else 0


def odd_ids(connection: duckdb.DuckDBPyConnection, sync: Sync, rows: str) -> dict[str, int]:
    """What is odd about ids, as ``Summary`` has it.

    Args:
        rows: SQL of the rows that may go: what stands after FROM.
    """
    columns = ["user_id", "group_id"] if sync.kind == "groups" else ["user_id"]
    counts = {"stray spaces": sum(_with_spaces(connection, column, rows) for column in columns),
              "upper and lower case": sum(_differ_by_case(connection, column, rows) for column in columns)}
    return {what: count for what, count in counts.items() if count}


def _with_spaces(connection: duckdb.DuckDBPyConnection, column: str, rows: str) -> int:
    return scalar(connection, f"""
        SELECT count(DISTINCT {column})
        FROM (SELECT {column} FROM {rows})
        WHERE {column} <> trim({column}, E' \\t\\r\\n')""")


def _differ_by_case(connection: duckdb.DuckDBPyConnection, column: str, rows: str) -> int:
    # Of two ids that differ by case, one has a capital. Most models have none, and need no grouping.
    if not scalar(connection, f"SELECT count(*) FROM (SELECT {column} FROM {rows}) WHERE {column} <> lower({column})"):
        return 0
    return scalar(connection, f"""
        SELECT sum(n)
        FROM (
            SELECT count(DISTINCT {column}) AS n
            FROM {rows}
            GROUP BY lower({column})
            HAVING n > 1
        )""")


def _carried(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff) -> tuple[int, dict[str, int]]:
    """How many messages go, and name → messages that carry it, the most frequent first."""
    count = "count(DISTINCT {})" if sync.kind == "groups" else "count({})"
    counts = ", ".join(count.format(what) for what in
                       ["message", *(f"CASE WHEN c{n} AND op <> 'refreshed' THEN message END"
                                    for n in range(len(diff.compared)))])
    messages, *found = connection.execute(f"""
        SELECT {counts}
        FROM changes
        WHERE op <> 'held'""").fetchall()[0]
    return messages, most_frequent(zip((c.name for c in diff.compared), found, strict=True))


def most_frequent(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Names with their counts, the most frequent first; those without any are left out.

    Example:
        >>> most_frequent([("seats", 0), ("score", 2), ("plan", 2)])
        {'plan': 2, 'score': 2}
    """
    return {name: n for name, n in sorted(counts, key=lambda pair: (-pair[1], pair[0])) if n}


def _new_traits(connection: duckdb.DuckDBPyConnection, diff: Diff) -> tuple[int, dict[str, int]]:
    """How many changed rows have nothing but new traits, and name → those of them that carry it."""
    flags = {c.name: f"c{n}" for n, c in enumerate(diff.compared) if c.name in diff.new_traits}
    if not flags:
        return 0, {}
    counts = ", ".join(f"count(*) FILTER ({flag})" for flag in flags.values())
    rows, *found = connection.execute(f"""
        SELECT count(*), {counts}
        FROM changes
        WHERE op = 'changed' AND new_traits_only""").fetchall()[0]
    return rows, {name: n for name, n in zip(flags, found, strict=True) if n}


def sample_of(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff, ops: list[str]) -> list[dict[str, Any]]:
    """Some of the rows that are sent, of each of these sorts, as ``Summary`` has them."""
    if sync.preview == "none" or not ops:
        return []
    values = sync.preview == "values"
    pairs = []
    for n, c in enumerate(diff.compared):
        new = "coalesce(" + ", ".join([f"c.t{i}::VARCHAR" for i in c.columns] + ["NULL"]) + ")"
        old = "coalesce(" + ", ".join([f"s.t{i}::VARCHAR" for i in c.columns if i in c.stored] + ["NULL"]) + ")"
        pairs.append(f"c.c{n}" + (f", {old}, {new}" if values else ""))
    columns = "".join(f", {pair}" for pair in pairs)
    # Some rows of each sort: of 10,000 added rows and one removed, that one is the row to look at.
    first_of_each = " UNION ALL ".join(f"""
            SELECT *, row_number() OVER (ORDER BY message) AS place
            FROM (
                FROM changes
                WHERE message IS NOT NULL AND op = {literal(op)}
                ORDER BY message
                LIMIT {SAMPLE_ROWS}
            )""" for op in ops)
    rows = connection.execute(f"""
        SELECT c.key, c.op{columns}
        FROM (
            FROM ({first_of_each})
            ORDER BY place, message
            LIMIT {SAMPLE_ROWS}
        ) c
        LEFT JOIN previous s ON s.key = c.key
        ORDER BY c.op, c.message""").fetchall()
    return [_sample_row(row, [c.name for c in diff.compared], values=values) for row in rows]


def _sample_row(row: tuple[Any, ...], names: list[str], *, values: bool) -> dict[str, Any]:
    key, op, *cells = row
    if values:
        pairs: Any = {name: cells[3 * n + 1: 3 * n + 3] for n, name in enumerate(names) if cells[3 * n]}
        return {"key": key, "op": op, "traits": pairs}
    return {"key": redacted_key(key), "op": op, "traits": [name for n, name in enumerate(names) if cells[n]]}


def redacted_key(key: str) -> str:
    """A key that names a row and does not reveal an e-mail address.

    Example:
        >>> redacted_key("ada@example.com"), redacted_key("u1")
        ('a…@…', 'u1')
    """
    return key[:1] + "…@…" if "@" in key else key
