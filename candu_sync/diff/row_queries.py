"""The rows of ``changes``, as SQL: those that are new, changed, removed, or refreshed. ``r`` is the row of the result,
``s`` the one of the snapshot."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from candu_sync.diff.refresh import Refresh
from candu_sync.diff.trait_rules import Compared, kind_of_constant, sql_constant
from candu_sync.rows import SQL_TYPE, Trait
from candu_sync.syncs import Sync


def new_rows(sync: Sync, traits: tuple[Trait, ...], compared: tuple[Compared, ...]) -> str:
    """The events that were never accepted, or all rows where there is no snapshot, SQL."""
    fixed = {"users": "", "groups": "r.group_id, ", "events": "r.event, r.occurred, "}[sync.kind]
    cursor = "r.cursor, " if sync.cursor is not None else ""
    return f"""
        SELECT r.key, r.user_id, {fixed}{cursor}'added' AS op{_after(traits, compared)}{_flags(
            c.present for c in compared)}
        FROM result r
        ANTI JOIN previous s ON r.key = s.key
        WHERE r.reason IS NULL"""


def changed_rows(sync: Sync, traits: tuple[Trait, ...], compared: tuple[Compared, ...],
                 new_traits: tuple[str, ...] = (), *, full: bool = False, unchanged: bool = False,
                 refresh: Refresh | None = None) -> str:
    """The rows that are new or changed, SQL; with ``unchanged`` also the others, whole. With ``refresh`` those go whole
    whose turn it is."""
    differs = " OR ".join(f"({c.differs})" for c in compared) or "false"
    whole = "true" if full or sync.payload == "full" else (
        f"(s.gone OR s.doubt{'' if refresh is None else f' OR {goes_whole(refresh)}'})")
    if unchanged:
        whole = f"({whole} OR coalesce(NOT ({differs}), true))"
    flags = _flags(f"({c.differs}) OR ({whole} AND {c.present})" for c in compared)
    group = "r.group_id, " if sync.kind == "groups" else ""
    # A message would settle a user in doubt. While there is no value to send, it stays in doubt.
    doubt = _doubt_to_settle(compared) if sync.kind == "users" else "s.doubt"
    added = f"s.key IS NULL OR s.gone OR {doubt}"
    return f"""
        SELECT r.key, r.user_id, {group}CASE
            WHEN {added} THEN 'added'
            WHEN {differs} THEN 'changed'
            ELSE 'unchanged'
            END AS op{_after(traits, compared)}{flags}{_new_traits_only(compared, new_traits)}
        FROM result r
        LEFT JOIN previous s ON r.key = s.key
        WHERE r.reason IS NULL AND {'true' if unchanged else f'({added} OR {differs})'}"""


def _new_traits_only(compared: tuple[Compared, ...], new_traits: tuple[str, ...]) -> str:
    """The column ``new_traits_only``, SQL. A new trait of which Candu has a value changes as any other: a run that was
    interrupted has sent it."""
    if not new_traits:
        return ""
    others = " OR ".join(f"({c.differs}{f' AND {c.had}' if c.name in new_traits else ''})" for c in compared) or "false"
    return f",\n            coalesce(NOT ({others}), true) AS new_traits_only"


def goes_whole(refresh: Refresh, key: str = "r.key") -> str:
    """SQL of the condition that a changed row is refreshed, too. One that Candu refused stays as it was refused: it
    would be sent again otherwise."""
    return f"({refresh.due(key)} AND {key} NOT IN (SELECT key FROM refused_before WHERE key IS NOT NULL))"


def refreshed_rows(sync: Sync, traits: tuple[Trait, ...], compared: tuple[Compared, ...], refresh: Refresh) -> str:
    """The rows that Candu has as they are and whose turn it is, whole, SQL."""
    differs = " OR ".join(f"({c.differs})" for c in compared) or "false"
    says = " OR ".join(c.present for c in compared) or "false"
    group = "r.group_id, " if sync.kind == "groups" else ""
    return f"""
        SELECT r.key, r.user_id, {group}'refreshed' AS op{_after(traits, compared)}{_flags(
            c.present for c in compared)}
        FROM result r
        JOIN previous s ON r.key = s.key
        WHERE r.reason IS NULL AND s.gone IS NOT TRUE AND s.doubt IS NOT TRUE AND {refresh.due("r.key")}
            AND ({differs}) IS NOT TRUE{f" AND ({says})" if sync.kind == "users" else ""}"""


def _doubt_to_settle(compared: tuple[Compared, ...]) -> str:
    present = " OR ".join(c.present for c in compared) or "false"
    return f"(s.doubt AND ({present}))"


def _after(traits: tuple[Trait, ...], compared: tuple[Compared, ...]) -> str:
    """The columns ``t0`` … of the rows that are there, SQL."""
    after = {index: sql for c in compared for index, sql in c.after.items()}
    return "".join(f", ({after[i]})::{SQL_TYPE[trait.kind]} AS t{i}" for i, trait in enumerate(traits))


def _flags(tests: Iterable[str]) -> str:
    return "".join(f", coalesce({test}, false) AS c{n}" for n, test in enumerate(tests))


def removed_rows(connection: duckdb.DuckDBPyConnection, sync: Sync, traits: tuple[Trait, ...],
                 compared: tuple[Compared, ...]) -> str:
    """Rows that left the result, SQL. A row that was set aside has not left.

    The constants of a group, or of a user, wait until its last row left. That holds for users of one row each, too:
    when the sync's key has changed, each row leaves under its old key while the user stays.
    """
    set_to = constants(sync)
    id_ = "group_id" if sync.kind == "groups" else "user_id"
    stays = f"s.{id_} IN (SELECT {id_} FROM result WHERE {id_} IS NOT NULL)" if set_to else "false"
    stored = _stored(connection)
    values = []
    for index, trait in enumerate(traits):
        old = f"s.t{index}" if f"t{index}" in stored else "NULL"
        if trait.name in set_to:
            mine = kind_of_constant(set_to[trait.name]) is trait.kind
            old = f"CASE WHEN {stays} THEN {old} ELSE {sql_constant(set_to[trait.name]) if mine else 'NULL'} END"
        values.append(f", ({old})::{SQL_TYPE[trait.kind]} AS t{index}")
    flags = _flags(f"NOT {stays} AND (s.doubt OR {c.old_differs(set_to[c.name])})"
                   if c.name in set_to else "false" for c in compared)
    group = "s.group_id, " if sync.kind == "groups" else ""
    return f"""
        SELECT s.key, s.user_id, {group}'removed' AS op{''.join(values)}{flags}
        FROM previous s
        ANTI JOIN result r ON r.key = s.key
        WHERE NOT s.gone"""


def _stored(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The columns of ``previous``."""
    return {row[0] for row in connection.execute("SELECT column_name FROM (DESCRIBE previous)").fetchall()}


def constants(sync: Sync) -> dict[str, str | int | float | bool]:
    return sync.removed if isinstance(sync.removed, dict) else {}
