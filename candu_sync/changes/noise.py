"""Changes that look like noise: the model answers differently although nobody touched the data.

Four signs, counted for each trait. All of them are sent as usual: the snapshot says what Candu accepted.

| sign        | what is counted                                                                        |
|-------------|----------------------------------------------------------------------------------------|
| `tiny`      | numbers that moved by less than a billionth of themselves                              |
| `reordered` | texts with the same parts in another order (`a, b` → `b, a`)                           |
| `went_back` | values that are again what they were before one of the last ten changes                |
| `came_back` | rows that are back after they left in one of the last ten changes, under the name rows |

For the last two signs the state keeps a file, ``moves.arrow``: for each value that was replaced, one hash of 64 bits,
the second half of an MD5 of the state's id, the row, the trait and the value. It holds no value, and at most
``KEPT_MOVES`` hashes (4 MB). A plan in which nothing changed does not read it. The cost is one join of the changed rows
with the snapshot's, and two MD5 for each changed value of at most ``_ROWS`` rows; of more rows, those with the smallest
hashes of their keys are looked at. They are the same ones in each run. The counts of the last two signs are then too
low.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import duckdb

from candu_sync.changes.summary import Summary
from candu_sync.diff import Compared, Diff
from candu_sync.embedded import arrow_file, literal, scalar, write_arrow
from candu_sync.rows import ValueKind

MOVES = "moves.arrow"

# Hashes that the memory keeps, of at most so many versions.
KEPT_MOVES = 250_000
KEPT_CHANGES = 10

# Rows of one plan whose values are hashed.
_ROWS = 20_000

# Doubles differ by 1e-16 of themselves after one rounding, a total of a million of them by 1e-10 at most.
_TINY = 1e-9

# Fewer changes than this, or a smaller share of a trait's changes, can be a coincidence.
_FEWEST, _SHARE = 10, 0.5

# Signs that a single change shows.
_CLEAR = ("tiny", "reordered")

# The number in the table ``moves`` for the row itself, in place of a trait's number.
_ROW = -1

# Sign → what was seen, what to do.
_NOTES = {
    "tiny": ("{name}: {count} of {of} changes are smaller than a billionth of the number",
             "Round it, or add up decimals, not floats"),
    "reordered": ("{name}: {count} of {of} changes have the same parts in another order",
                  "Give the aggregate an order, like string_agg(x, ',' order by x)"),
    "went_back": ("{name}: {count} of {of} changes go back to a value of the last ten changes",
                  "If nobody changed the data, the model picks one of several rows: end its `order by` with a unique "
                  "column"),
    "came_back": ("{count} of {of} added rows had left in one of the last ten changes",
                  "If nobody changed the data, the model takes other rows each time: give `limit` an order that ends "
                  "with a unique column, leave out samples"),
}


class NoiseNote(NamedTuple):
    """Noise that is worth a report: its sign, the trait (None: the rows themselves), what was seen, what to do."""

    sign: str
    trait: str | None
    sentence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.sentence}. {self.advice}"


def notice(connection: duckdb.DuckDBPyConnection, summary: Summary, diff: Diff, kind: str, *, memory: Path | None,
           salt: str, folder: Path) -> Summary:
    """Count the signs of noise, and write down the hashes of the values that were replaced.

    Args:
        connection: with the tables ``changes`` and ``previous``, as the diff made them.
        kind: users, groups or events; an event never changes.
        memory: the local ``moves.arrow`` of the snapshot's version; None: there is none.
        salt: what makes the hashes this state's own.
        folder: gets ``moves.arrow`` (message int64, hash uint64) where anything was left behind.

    Returns:
        The summary with its ``noise``.
    """
    if kind == "events" or not (summary.changed or summary.removed or (summary.added and memory)):
        return summary
    noise = _in_one_change(connection, diff, kind) if summary.changed else {}
    _make_moves(connection, diff, kind, salt)
    write_arrow(connection, """
        SELECT message, before AS hash
        FROM moves
        WHERE before IS NOT NULL""", folder / MOVES)
    if memory is not None:
        noise |= _over_several(connection, diff, memory)
    return replace(summary, noise=noise)


class Noisy(Protocol):
    """What ``noise_notes`` reads: a summary, or the result of a run."""

    @property
    def noise(self) -> dict[str, dict[str, int]]: ...
    @property
    def traits(self) -> dict[str, int]: ...
    @property
    def added(self) -> int: ...


def noise_notes(found: Noisy) -> Iterator[NoiseNote]:
    """A note for each trait whose changes are noise: what was seen, and how to correct the model.

    A trait that went back is reported when that is most of its changes, and not only a few: a value like the number of
    open tickets may rightly go back. A trait that already has another sign is not reported twice.

    Example:
        >>> from candu_sync.changes import Summary
        >>> found = Summary(rows=9, added=0, changed=3, removed=0, unchanged=6, invalid=0, held=0, messages=3, bytes=99,
        ...                 traits={"total": 3}, snapshot_rows=9, noise={"tiny": {"total": 3}})
        >>> for note in noise_notes(found):
        ...     print(note)
        total: 3 of 3 changes are smaller than a billionth of the number. Round it, or add up decimals, not floats
    """
    for sign, counts in found.noise.items():
        for name, count in counts.items():
            of = found.added if sign == "came_back" else found.traits.get(name, count)
            clear = sign in _CLEAR or (count >= _FEWEST and count >= _SHARE * of)
            if clear and not (sign == "went_back" and any(name in found.noise.get(other, ()) for other in _CLEAR)):
                sentence, advice = _NOTES[sign]
                yield NoiseNote(sign, None if sign == "came_back" else name,
                                sentence.format(name=name, count=f"{count:,}", of=f"{of:,}"), advice)


def _in_one_change(connection: duckdb.DuckDBPyConnection, diff: Diff, kind: str) -> dict[str, dict[str, int]]:
    """The signs that one change shows by itself."""
    tests = []
    for n, trait in enumerate(diff.compared):
        for i in sorted(trait.columns.keys() & trait.stored):
            if trait.columns[i] is ValueKind.NUMBER:
                tests.append(("tiny", trait.name, f"c.c{n} AND {_tiny(f's.t{i}', f'c.t{i}')}"))
            elif trait.columns[i] is ValueKind.TEXT:
                tests.append(("reordered", trait.name, f"c.c{n} AND {_reordered(f's.t{i}', f'c.t{i}')}"))
    if not tests:
        return {}
    # All rows of a group's members have its message.
    count = "count(DISTINCT c.message)" if kind == "groups" else "count(*)"
    counts = ",\n            ".join(f"{count} FILTER ({test})" for _, _, test in tests)
    found = connection.execute(f"""
        SELECT
            {counts}
        FROM changes c
        JOIN previous s ON s.key = c.key
        WHERE c.op = 'changed' AND NOT s.gone""").fetchall()[0]
    noise: dict[str, dict[str, int]] = {}
    for (sign, name, _), count in zip(tests, found, strict=True):
        if count:
            noise.setdefault(sign, {})[name] = count
    return noise


def _tiny(old: str, new: str) -> str:
    return f"{old} <> {new} AND abs({new} - {old}) < {_TINY} * greatest(abs({old}), abs({new}))"


def _reordered(old: str, new: str) -> str:
    """Only texts of one length with a separator in them are split."""
    parts = [rf"list_sort(string_split_regex(regexp_replace({text}, '[]\[{{}}()\s""'']', '', 'g'), '[,;|]'))"
             for text in (old, new)]
    return (f"{old} <> {new} AND strlen({old}) = strlen({new}) AND "
            f"CASE WHEN regexp_matches({old}, '[,;|]') THEN {' = '.join(parts)} ELSE false END")


def _make_moves(connection: duckdb.DuckDBPyConnection, diff: Diff, kind: str, salt: str) -> None:
    """Make the table ``moves``: a row for each trait of a row that changed: the trait's number, and the hashes of its
    value before and after; likewise for each row that left (before) or came (after)."""
    id_ = "group_id" if kind == "groups" else "key"
    cells = ",\n                        ".join(_cell(n, trait, id_, salt) for n, trait in enumerate(diff.compared))
    there = _hash(salt, "key", _ROW, "'there'")
    connection.execute("CREATE TEMP TABLE moves (message BIGINT, n INTEGER, before UBIGINT, after UBIGINT)")
    if cells:
        connection.execute(f"""
            INSERT INTO moves
            SELECT message, cell.n, cell.before, cell.after
            FROM (
                SELECT
                    c.message,
                    unnest([
                        {cells}
                    ]) AS cell
                FROM (
                    FROM changes
                    WHERE op = 'changed'
                    ORDER BY hash({id_})
                    LIMIT {_ROWS}
                ) c
                JOIN previous s ON s.key = c.key
            )
            WHERE cell IS NOT NULL
            LIMIT {KEPT_MOVES}""")
    for op, hashes in ("removed", f"{there}, NULL"), ("added", f"NULL, {there}"):
        connection.execute(f"""
            INSERT INTO moves
            SELECT message, {_ROW}, {hashes}
            FROM (
                SELECT message, key
                FROM changes
                WHERE op = '{op}'
                ORDER BY hash({id_})
                LIMIT {_ROWS}
            )""")


def _cell(n: int, trait: Compared, id_: str, salt: str) -> str:
    stored = {i: kind for i, kind in trait.columns.items() if i in trait.stored}
    before, after = _text("s", stored), _text("c", trait.columns)
    return (f"CASE WHEN c.c{n} AND {before} <> {after} THEN {{'n': {n}, "
            f"'before': {_hash(salt, f'c.{id_}', trait.name, before)}, "
            f"'after': {_hash(salt, f'c.{id_}', trait.name, after)}}} END")


def _text(row: str, columns: dict[int, ValueKind]) -> str:
    """A trait's value as text with its kind, empty for null, SQL."""
    values = ", ".join(f"'{kind} ' || {row}.t{i}::VARCHAR" for i, kind in columns.items())
    return f"coalesce({values}, '')" if values else "''"


def _hash(salt: str, id_: str, trait: str | int, value: str) -> str:
    """Not DuckDB's own ``hash``, which can be turned back into a number, and may change with a version."""
    return f"md5_number_lower({literal(f'{salt} {trait} ')} || {id_} || chr(10) || {value})"


def _over_several(connection: duckdb.DuckDBPyConnection, diff: Diff, memory: Path) -> dict[str, dict[str, int]]:
    """The signs that the memory of earlier changes shows."""
    connection.register("earlier_moves", arrow_file(memory))
    known = "after IN (SELECT hash FROM earlier_moves)"
    rows = scalar(connection, f"""
        SELECT count(*)
        FROM moves
        WHERE n = {_ROW} AND {known}""")
    traits = connection.execute(f"""
        SELECT n, count(DISTINCT message)
        FROM moves
        WHERE n <> {_ROW} AND {known}
        GROUP BY n
        ORDER BY 2 DESC, n""").fetchall()
    went_back = {diff.compared[n].name: count for n, count in traits}
    return ({"went_back": went_back} if went_back else {}) | ({"came_back": {"rows": rows}} if rows else {})
