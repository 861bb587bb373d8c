"""The diff: a result against its snapshot, as SQL in the embedded engine.

    result ──set aside──► rows that may go ──join on key──► changes: added, changed, removed, returned

In: the canonical batches of ``result.py`` and the snapshot's files. Out: a table ``changes`` in the connection.

| column                | meaning                                                                          |
|-----------------------|----------------------------------------------------------------------------------|
| `key`, `user_id`, …   | as in the result                                                                 |
| `op`                  | added (or here again after it was gone, or in doubt: sent whole, since what      |
|                       | Candu holds is not known), changed, removed, unchanged (full runs only)          |
| `t0` …                | the row's values once Candu has accepted it, as ``Diff.traits`` names them       |
| `c0` …                | whether the message carries that trait, as ``Diff.names`` names them             |
| `message`             | the number of the message that tells Candu; null: nothing to tell                |

Values are compared themselves, not their hashes: no collision can hide a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from candu_sync.compare import Compared, compared_traits, kind_of_constant, sql_constant
from candu_sync.engine import literal, scalar
from candu_sync.result import Result
from candu_sync.snapshot import SQL_TYPE, Snapshot, Trait, expose
from candu_sync.sync import Sync
from candu_sync.values import BLANK_KEY, NOT_WHOLE, NULL_KEY, Kind

DUPLICATE_KEY = "duplicate key"
_NO_KEY = f"({literal(NULL_KEY)}, {literal(BLANK_KEY)}, {literal(NOT_WHOLE)})"


@dataclass(frozen=True)
class Diff:
    """What stands in the connection after a diff.

    Attributes:
        traits: the columns ``t0`` … of ``changes``: the snapshot's traits, then the new ones.
        compared: the trait names, each with its columns; the n-th has the flag ``c<n>``.
        rows: rows of the result, equal ones counted once. ``invalid`` of them are set aside.
        snapshot_rows: rows of the snapshot that are not gone.
        gone_traits: names in the snapshot that the model no longer has.
        not_finite: trait → NaN and ±Inf that became null.
    """

    traits: tuple[Trait, ...]
    compared: tuple[Compared, ...]
    rows: int
    invalid: int
    snapshot_rows: int
    gone_traits: tuple[str, ...] = ()
    not_finite: dict[str, int] = field(default_factory=dict)


def load(connection: duckdb.DuckDBPyConnection, sync: Sync, batches: Iterable[pa.RecordBatch]) -> None:
    """Put a result's canonical batches into the table ``result`` of an empty engine.

    A trait's column is added when it begins to hold values.

    Raises:
        ModelError: by the result, for a column that cannot be sent.
    """
    fixed = {"users": [], "groups": [("group_id", pa.string())],
             "events": [("event", pa.string()), ("occurred", pa.timestamp("us"))]}[sync.kind]
    if sync.cursor is not None:
        fixed = [*fixed, ("cursor", pa.timestamp("us"))]
    schema = pa.schema([("key", pa.string()), ("reason", pa.string()), ("user_id", pa.string()), *fixed])
    connection.register("incoming", schema.empty_table())
    connection.execute("CREATE TABLE result AS SELECT * FROM incoming")
    there = set(schema.names)
    for batch in batches:
        connection.register("incoming", pa.Table.from_batches([batch]))
        for name, type_ in connection.execute("SELECT column_name, column_type FROM (DESCRIBE incoming)").fetchall():
            if name not in there:
                connection.execute(f"ALTER TABLE result ADD COLUMN {name} {type_}")
                there.add(name)
        connection.execute("INSERT INTO result BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


def diff(connection: duckdb.DuckDBPyConnection, sync: Sync, result: Result, snapshot: Snapshot, *,
         full: bool = False) -> Diff:
    """Compare a result with its snapshot.

    Args:
        connection: an engine with the table ``result``; gets the table ``changes`` and the view ``snapshot``.
        result: whose batches were loaded.
        full: every row that may go is in ``changes``, whole.

    Raises:
        ModelError: the YAML names a trait that the model does not give.
    """
    _set_aside(connection, sync, result)
    expose(connection, snapshot)
    traits, compared = compared_traits(sync, result, snapshot)
    if sync.kind == "events":
        _new_events(connection, sync, traits, compared)
    else:
        _changed_rows(connection, sync, traits, compared, full=full)
    _number(connection, sync, full=full)
    here = set(result.names)
    return Diff(
        traits, compared,
        rows=scalar(connection, "SELECT count(*) FROM result"),
        invalid=scalar(connection, "SELECT count(*) FROM result WHERE reason IS NOT NULL"),
        snapshot_rows=scalar(connection, "SELECT count(*) FROM snapshot" + ("" if sync.kind == "events"
                                                                             else " WHERE NOT gone")),
        gone_traits=tuple(sorted({t.name for t in snapshot.traits} - here - set(_constants(sync)))),
        not_finite=dict(result.not_finite))


def _set_aside(connection: duckdb.DuckDBPyConnection, sync: Sync, result: Result) -> None:
    """Give every row that must not go its reason; equal rows become one."""
    connection.execute("CREATE TEMP TABLE repeated AS SELECT key FROM result GROUP BY key HAVING count(*) > 1")
    if scalar(connection, "SELECT count(*) FROM repeated"):
        same = "key IS NOT DISTINCT FROM"
        connection.execute("CREATE TEMP TABLE candidates AS SELECT DISTINCT result.* FROM result, repeated "
                           f"WHERE result.{same} repeated.key")
        connection.execute(f"DELETE FROM result USING repeated WHERE result.{same} repeated.key")
        connection.execute("UPDATE candidates SET reason = coalesce(reason, ?) WHERE key IN "
                           "(SELECT key FROM candidates GROUP BY key HAVING count(*) > 1)", [DUPLICATE_KEY])
        connection.execute("INSERT INTO result SELECT * FROM candidates")
    if sync.kind == "groups":
        _set_groups_aside(connection, result)


def _set_groups_aside(connection: duckdb.DuckDBPyConnection, result: Result) -> None:
    """A group whose rows disagree, or one of whose rows has a value that cannot be sent, goes aside whole."""
    unlike = {name: f"(count(t{i}) NOT IN (0, count(*)) OR min(t{i}) IS DISTINCT FROM max(t{i}))"
              for i, (name, kind) in enumerate(zip(result.names, result.kinds, strict=True)) if kind is not Kind.EMPTY}
    names = ", ".join(f"CASE WHEN {test} THEN {literal(name)} END" for name, test in unlike.items()) or "NULL"
    tests = " OR ".join(["(count(reason) > 0 AND count(reason) < count(*))", *unlike.values()])
    connection.execute(
        f"CREATE TEMP TABLE unlike AS SELECT group_id, concat_ws(', ', {names}) AS names FROM result "
        f"WHERE group_id IS NOT NULL AND coalesce(reason, '') NOT IN {_NO_KEY} GROUP BY group_id HAVING {tests}")
    connection.execute(
        "UPDATE result SET reason = 'group rows disagree' || CASE WHEN names = '' THEN '' ELSE ' on ' || names END "
        "FROM unlike WHERE unlike.group_id = result.group_id AND reason IS NULL")


def _new_events(connection: duckdb.DuckDBPyConnection, sync: Sync, traits: tuple[Trait, ...],
                compared: tuple[Compared, ...]) -> None:
    cursor = "r.cursor, " if sync.cursor is not None else ""
    connection.execute(f"CREATE TABLE found AS SELECT r.key, r.user_id, r.event, r.occurred, {cursor}'added' AS op"
                       f"{_after(traits, compared)}{_flags(c.present for c in compared)} "
                       "FROM result r ANTI JOIN snapshot s ON r.key = s.key WHERE r.reason IS NULL")


def _changed_rows(connection: duckdb.DuckDBPyConnection, sync: Sync, traits: tuple[Trait, ...],
                  compared: tuple[Compared, ...], *, full: bool) -> None:
    differs = " OR ".join(f"({c.differs})" for c in compared) or "false"
    whole = "true" if full or sync.payload == "full" else "(s.gone OR s.doubt)"
    op = f"CASE WHEN s.key IS NULL OR s.gone OR s.doubt THEN 'added' WHEN {differs} THEN 'changed' ELSE 'unchanged' END"
    values = _after(traits, compared)
    flags = _flags(f"({c.differs}) OR ({whole} AND {c.present})" for c in compared)
    group = "r.group_id, " if sync.kind == "groups" else ""
    wanted = "true" if full else f"(s.key IS NULL OR s.gone OR s.doubt OR {differs})"
    connection.execute(
        f"CREATE TABLE found AS SELECT r.key, r.user_id, {group}{op} AS op{values}{flags} "
        f"FROM result r LEFT JOIN snapshot s ON r.key = s.key WHERE r.reason IS NULL AND {wanted}")
    _removed_rows(connection, sync, traits, compared)


def _after(traits: tuple[Trait, ...], compared: tuple[Compared, ...]) -> str:
    after = {index: sql for c in compared for index, sql in c.after.items()}
    return "".join(f", ({after[i]})::{SQL_TYPE[trait.kind]} AS t{i}" for i, trait in enumerate(traits))


def _flags(tests: Iterable[str]) -> str:
    return "".join(f", coalesce({test}, false) AS c{n}" for n, test in enumerate(tests))


def _removed_rows(connection: duckdb.DuckDBPyConnection, sync: Sync, traits: tuple[Trait, ...],
                  compared: tuple[Compared, ...]) -> None:
    """Rows that left the result; a set-aside key has not left. A group's constants wait until its last row left."""
    constants = _constants(sync)
    there = "s.group_id IN (SELECT group_id FROM result WHERE group_id IS NOT NULL)"
    stays = there if sync.kind == "groups" else "false"
    stored = _stored(connection)
    values = []
    for index, trait in enumerate(traits):
        old = f"s.t{index}" if f"t{index}" in stored else "NULL"
        if trait.name in constants:
            mine = kind_of_constant(constants[trait.name]) is trait.kind
            old = f"CASE WHEN {stays} THEN {old} ELSE {sql_constant(constants[trait.name]) if mine else 'NULL'} END"
        values.append(f", ({old})::{SQL_TYPE[trait.kind]} AS t{index}")
    flags = _flags(f"NOT {stays} AND (s.doubt OR {c.old_differs(constants[c.name])})"
                   if c.name in constants else "false" for c in compared)
    group = "s.group_id, " if sync.kind == "groups" else ""
    connection.execute(f"INSERT INTO found BY NAME SELECT s.key, s.user_id, {group}'removed' AS op"
                       f"{''.join(values)}{flags} "
                       "FROM snapshot s ANTI JOIN result r ON r.key = s.key WHERE NOT s.gone")


def _stored(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT column_name FROM (DESCRIBE snapshot)").fetchall()}


def _constants(sync: Sync) -> dict[str, str | int | float | bool]:
    return sync.removed if isinstance(sync.removed, dict) else {}


def _number(connection: duckdb.DuckDBPyConnection, sync: Sync, *, full: bool) -> None:
    """Number the messages from 0: a row each, but a group's changed traits and its constants once for the group."""
    flags = [row[0] for row in connection.execute("SELECT column_name FROM (DESCRIBE found)").fetchall()
             if row[0][0] == "c" and row[0][1:].isdigit()]
    tells = "op IN ('added', 'changed')" + (" OR op = 'unchanged'" if full else "") + (
        f" OR (op = 'removed' AND ({' OR '.join(flags)}))" if flags else "")
    if sync.kind == "groups":
        once = "op = 'removed'" if full else "op IN ('changed', 'removed')"
        order = f"dense_rank() OVER (ORDER BY CASE WHEN {once} THEN group_id ELSE key END, {once})"
    else:
        order = f"row_number() OVER (ORDER BY {'occurred, ' if sync.kind == 'events' else ''}key)"
    connection.execute(f"CREATE TABLE changes AS SELECT *, {order} - 1 AS message FROM found WHERE {tells}")
    connection.execute(f"INSERT INTO changes BY NAME SELECT * FROM found WHERE NOT ({tells})")
    connection.execute("DROP TABLE found")
