"""What a model's SQL shows by its text: a parameter that it never uses, a trait that is always true."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from candu_sync.operate.finding import Finding
from candu_sync.sql_text import parameters_in
from candu_sync.syncs import Sync, expressions_of

_TRUE = re.compile(r"true|(true|'true'|'t'|1)\s*::\s*bool(ean)?|cast\s*\(\s*(true|'true'|1)\s+as\s+bool(ean)?\s*\)",
                   re.IGNORECASE)


def about_sql(sync: Sync, sql: str, traits: Iterable[str], dialect: str = "") -> Iterator[Finding]:
    """The findings about the text of a model.

    Args:
        sql: as the warehouse takes it.
        traits: the names of those that the model gives.
        dialect: SQLAlchemy's name of it.

    Example:
        >>> from candu_sync.syncs import Partitions
        >>> places = sync.model_copy(update={"partitions": Partitions(static=("eu", "us"))})
        >>> [found.code for found in about_sql(places, "select user_id, true as is_new from people", ["is_new"])]
        ['unused_partition', 'always_true']
    """
    yield from _unused(sync, parameters_in(sql, dialect))
    if sync.kind != "events" and sync.removed == "keep":
        for trait in traits:
            if _always_true(sql, _column(sync, trait)):
                yield Finding(code="always_true", sync=sync.name, column=trait, sentence=(
                    f"{trait} is true in every row, and stays true in Candu when a row leaves the result "
                    "(`removed: keep`)"), advice=f"Write `removed: {{{trait}: false}}`")


def _unused(sync: Sync, used: frozenset[str]) -> Iterator[Finding]:
    partitions = sync.partitions
    if partitions is not None and partitions.every and not used & {"window_start", "window_end"}:
        yield Finding(code="unused_window", sync=sync.name, sentence=(
            f"the partitions are {partitions.spread}, and the SQL uses neither :window_start nor :window_end: each of "
            "them would send all rows"), advice="Write `where … >= :window_start and … < :window_end`, or remove "
            f"`{partitions.every}`")
    if partitions is not None and partitions.segments and not partitions.shards and "partition" not in used:
        yield Finding(code="unused_partition", sync=sync.name, sentence=(
            f"the partitions are {partitions.spread}, and the SQL never uses :partition: each of them would send all "
            "rows"), advice=f"Write `where … = :partition`, or remove `{partitions.segments}`")
    if sync.cursor is not None and "since" not in used:
        yield Finding(code="unused_cursor", sync=sync.name, column=sync.cursor.column, sentence=(
            "there is a `cursor`, and the SQL never uses :since: each run reads all events"),
            advice=f"Write `where {sync.cursor.column} >= :since`, or remove `cursor`")


def _column(sync: Sync, trait: str) -> str:
    return next((column for column, name in sync.rename.items() if name == trait), trait)


def _always_true(sql: str, column: str) -> bool:
    """Whether each expression of a column, in unions and subqueries too, is the constant."""
    given = re.compile(rf"(\w+\.)?[\"`\[]?{re.escape(column)}[\"`\]]?", re.IGNORECASE)
    made = [expression for expression in expressions_of(sql, column) if not given.fullmatch(expression)]
    return bool(made) and all(_TRUE.fullmatch(expression) for expression in made)
