"""How many of the ids that Candu sees a model gives, letter for letter, and in which way the others differ.

All is done by sets in the embedded engine. An id that Candu sees is counted once: as equal, in the first way that finds
one of the model's ids for it, or as unknown. Ids of the model that Candu never saw are of people who did not visit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa

from candu_sync.embedded import literal, scalar
from candu_sync.seen_ids.mending import Mend, mends_of
from candu_sync.seen_ids.redacting import redacted
from candu_sync.seen_ids.ways import BY_KEY, COLUMN, PREFIX, Way, plain, prefix, stripped

_EXAMPLES = 3

# Many look alike once they are redacted.
_LOOKED_AT = 50

# Fewer ids than this with one prefix are no rule, and the prefix may be a part of a name.
_LEAST_OF_A_PREFIX = 2

# Prefixes of one rest, beyond which the rest is no id.
_MOST_PREFIXES = 8

# The share of different values of a column that may identify a user: some people share an address.
_MOSTLY_DIFFERENT = 0.9


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The ids that differ in one way from the model's.

    Attributes:
        way: spaces, unicode, case, number, several, prefix or column.
        words: how they differ, for people.
        count: how many ids that Candu sees.
        examples: pairs of an id that Candu sees and the model's, both redacted; at most 3, each once.
        sql: what would make the model's ids equal to them, in the warehouse's dialect; None: no expression is known,
            and the page should pass the model's ids.
        mends: how many of them ``sql`` would make equal.
        column: the column whose values they are; None: they are of the ids.
    """

    way: str
    words: str
    count: int
    examples: tuple[tuple[str, str], ...]
    sql: str | None = None
    mends: int = 0
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was found. ``equal``, the counts of ``differences`` and ``unknown`` add up to ``seen``.

    Attributes:
        seen: how many ids Candu sees; blank ones do not count.
        given: how many the model gives.
        equal: how many of those seen the model gives, letter for letter.
        unknown: how many of those seen are unlike all of the model's.
        emails: whether the unknown ids are mostly e-mail addresses and the model's are not ("seen"), or the reverse
            ("given"); None: neither.
    """

    seen: int
    given: int
    equal: int
    unknown: int
    differences: tuple[Difference, ...] = ()
    emails: str | None = None

    @property
    def share(self) -> float:
        """The share of the ids seen that the model gives, letter for letter: 0 to 1; 1 where none is seen."""
        return self.equal / self.seen if self.seen else 1.0

    def to_json(self) -> dict[str, Any]:
        """The object that ``check --json`` and ``plan --json`` print."""
        return asdict(self) | {"share": round(self.share, 4)}


class Given:
    """The ids that a model gives, and values of its other columns that may be ids, in an embedded engine.

    Args:
        connection: an engine; gets ``given_ids`` and ``other_values``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute("CREATE TABLE given_ids (id VARCHAR)")
        connection.execute("CREATE TABLE other_values (name VARCHAR, value VARCHAR, given VARCHAR)")

    def add(self, rows: str, others: Mapping[str, str], *, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        """Add ids.

        Args:
            rows: SQL after FROM, with ``user_id``.
            others: column → SQL of its value as text.
            connection: another one to the same engine, which has the rows; None: the engine's own.
        """
        run = connection or self._connection
        run.execute(f"INSERT INTO given_ids SELECT DISTINCT user_id FROM {rows}")
        for name, value in others.items():
            run.execute(f"INSERT INTO other_values SELECT {literal(name)}, value, user_id "
                        f"FROM (SELECT {value} AS value, user_id FROM {rows}) WHERE value IS NOT NULL")


def compare_ids(connection: duckdb.DuckDBPyConnection, seen: Iterable[pa.Array], *, dialect: str,
                column: str = "user_id") -> Comparison:
    """Compare the ids that Candu sees with those of ``Given``.

    Args:
        connection: the engine that ``Given`` has filled.
        seen: string arrays; nulls and blank texts are left out, and each id counts once.
        dialect: SQLAlchemy's name of the warehouse's, for the SQL that mends.
        column: the model's id, as SQL writes it.

    Example:
        >>> from candu_sync.embedded import open_embedded
        >>> with open_embedded(10**8) as connection:
        ...     Given(connection).add("(VALUES ('u1'), ('u2'), ('u3')) rows(user_id)", {})
        ...     found = compare_ids(connection, [pa.array(["u1", "U2", "U3", "x", None])], dialect="duckdb")
        >>> found.seen, found.equal, found.unknown, [(one.way, one.count, one.sql) for one in found.differences]
        (4, 1, 1, [('case', 2, 'upper(user_id)')])
    """
    _load(connection, seen)
    _settle(connection)
    count, left, given = (scalar(connection, f"SELECT count(*) FROM {table}")
                          for table in ("seen_ids", "open_ids", "ids_of_model"))
    differences = list(_differences(connection, dialect, column)) if left else []
    unknown = left - sum(one.count for one in differences)
    return Comparison(seen=count, given=given, equal=count - left, unknown=unknown,
                      differences=tuple(differences), emails=_emails(connection) if unknown else None)


def _load(connection: duckdb.DuckDBPyConnection, seen: Iterable[pa.Array]) -> None:
    connection.execute("CREATE TABLE seen_rows (id VARCHAR)")
    for array in seen:
        connection.register("seen_batch", pa.table({"id": array}))
        connection.execute(f"INSERT INTO seen_rows SELECT DISTINCT id FROM seen_batch WHERE {stripped('id')} <> ''")
        connection.unregister("seen_batch")


def _settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Each id once."""
    connection.execute("CREATE TABLE seen_ids AS SELECT DISTINCT id FROM seen_rows")
    connection.execute("DROP TABLE seen_rows")
    connection.execute("CREATE TABLE ids_of_model AS SELECT DISTINCT id FROM given_ids WHERE id IS NOT NULL")
    connection.execute("DROP TABLE given_ids")
    connection.execute("CREATE TABLE equal_ids AS SELECT id FROM seen_ids SEMI JOIN ids_of_model USING (id)")
    connection.execute("CREATE TABLE open_ids AS SELECT id FROM seen_ids ANTI JOIN equal_ids USING (id)")
    connection.execute("CREATE TABLE explained_ids (way VARCHAR, id VARCHAR, given VARCHAR, source VARCHAR)")


def _differences(connection: duckdb.DuckDBPyConnection, dialect: str, column: str) -> Iterator[Difference]:
    for way in BY_KEY:
        _explain(connection, way, f"""
            SELECT {literal(way.name)}, o.id, g.given, g.given
            FROM (SELECT id, {way.of('id')} AS key FROM open_ids) o
            JOIN (
                SELECT {way.of('id')} AS key, min(id) AS given
                FROM ids_of_model
                GROUP BY key
            ) g USING (key)""")
        yield from _found(connection, way, column, mends_of(way, column, dialect, digits=_digits(connection, way)))
    if pair := _with_prefix(connection):
        yield from _found(connection, PREFIX, column, mends_of(PREFIX, column, dialect, prefixes=pair), prefixes=pair)
    if name := _in_column(connection):
        yield from _found(connection, COLUMN, name, mends_of(COLUMN, name, dialect), of=name)


def _explain(connection: duckdb.DuckDBPyConnection, way: Way, query: str) -> None:
    """Take the ids that a query explains (way, id, given, source) out of the open ones."""
    connection.execute(f"INSERT INTO explained_ids {query}")
    connection.execute(f"""
        DELETE FROM open_ids
        WHERE id IN (SELECT id FROM explained_ids WHERE way = {literal(way.name)})""")


def _digits(connection: duckdb.DuckDBPyConnection, way: Way) -> int:
    """How many characters the ids have that differ as numbers, where that is one number, and the model has no longer
    ids; else 0."""
    if way.name != "number":
        return 0
    return scalar(connection, """
        SELECT CASE WHEN min(length(id)) = max(greatest(length(id), longest)) THEN min(length(id)) END
        FROM explained_ids, (SELECT max(length(id)) AS longest FROM ids_of_model)
        WHERE way = 'number'""")


def _with_prefix(connection: duckdb.DuckDBPyConnection) -> tuple[str, str] | None:
    """Explain the ids that differ by the pair of prefixes that most of them have; None: there is no such pair."""
    # Both the whole id and its rest may be equal to the rest of another.
    def parts(table: str) -> str:
        return f"""
            SELECT id, prefix, {plain('rest')} AS rest
            FROM (SELECT id, {prefix('id')} AS prefix, substr(id, length(prefix) + 1) AS rest FROM {table})
            WHERE prefix <> '' AND rest <> ''
            UNION ALL
            SELECT id, '', {plain('id')}
            FROM {table}"""

    connection.execute(f"CREATE TABLE open_parts AS {parts('open_ids')}")
    connection.execute(f"""
        CREATE TABLE parts_of_model AS
        SELECT prefix, rest, min(id) AS given
        FROM ({parts('ids_of_model')}
        )
        SEMI JOIN open_parts USING (rest)
        GROUP BY prefix, rest
        QUALIFY count(*) OVER (PARTITION BY rest) <= {_MOST_PREFIXES}""")
    connection.execute("""
        CREATE TABLE prefix_pairs AS
        SELECT s.id, s.prefix AS seen_prefix, m.prefix AS given_prefix, min(m.given) AS given
        FROM open_parts s
        JOIN parts_of_model m USING (rest)
        WHERE s.prefix <> m.prefix
        GROUP BY ALL""")
    top = connection.execute(f"""
        SELECT seen_prefix, given_prefix
        FROM prefix_pairs
        GROUP BY ALL
        HAVING count(*) >= {_LEAST_OF_A_PREFIX}
        ORDER BY count(*) DESC, seen_prefix, given_prefix
        LIMIT 1""").fetchall()
    if not top:
        return None
    seen, given = (str(part) for part in top[0])
    _explain(connection, PREFIX, f"""
        SELECT 'prefix', id, given, given
        FROM prefix_pairs
        WHERE seen_prefix = {literal(seen)} AND given_prefix = {literal(given)}""")
    return seen, given


def _in_column(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Explain the ids that are values of another column: of the one that has most of them."""
    connection.execute(f"CREATE TABLE open_keys AS SELECT id, {plain('id')} AS key FROM open_ids")
    connection.execute(f"""
        CREATE TABLE other_keys AS
        SELECT name, key, min(value) AS value, min(given) AS given
        FROM (SELECT *, {plain('value')} AS key FROM other_values)
        SEMI JOIN open_keys USING (key)
        GROUP BY name, key""")
    top = connection.execute(f"""
        SELECT name
        FROM other_keys
        JOIN open_keys USING (key)
        WHERE name IN (
            SELECT name
            FROM other_values
            WHERE name IN (SELECT name FROM other_keys)
            GROUP BY name
            HAVING count(DISTINCT value) >= {_MOSTLY_DIFFERENT} * count(*)
        )
        GROUP BY name
        ORDER BY count(*) DESC, name
        LIMIT 1""").fetchall()
    if not top:
        return None
    name = str(top[0][0])
    _explain(connection, COLUMN, f"""
        SELECT 'column', id, given, value
        FROM other_keys
        JOIN open_keys USING (key)
        WHERE name = {literal(name)}""")
    return name


def _found(connection: duckdb.DuckDBPyConnection, way: Way, column: str, mends: Iterable[Mend], *,
           prefixes: tuple[str, str] = ("", ""), of: str | None = None) -> Iterator[Difference]:
    these = f"FROM explained_ids WHERE way = {literal(way.name)}"
    count = scalar(connection, f"SELECT count(*) {these}")
    if not count:
        return
    best, mended = _best(connection, these, list(mends), whole=of is not None)
    rows = connection.execute(f"SELECT id, given {these} ORDER BY id LIMIT {_LOOKED_AT}").fetchall()
    number = way.name == "number"
    pairs = ((redacted(str(id_), shown=prefixes[0], as_number=number),
              redacted(str(given), shown=prefixes[1], as_number=number)) for id_, given in rows)
    examples = tuple(dict.fromkeys(pairs))[:_EXAMPLES]
    words = way.words if of is None else f"in kind: they are values of the column {of}"
    yield Difference(way=way.name, words=words, count=count, examples=examples, column=of, mends=mended,
                     sql=None if best is None else best.sql)


def _best(connection: duckdb.DuckDBPyConnection, these: str, mends: list[Mend], *,
          whole: bool) -> tuple[Mend | None, int]:
    """The expression that mends most, of those that the warehouse has, the first of equals; None: none makes more ids
    equal than unequal.

    Args:
        whole: it takes the place of the id: those that are equal now would be so no more.
    """
    known = [mend for mend in mends if mend.sql is not None]
    if not known:
        return None, 0
    counts = connection.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({mend.test} = id)' for mend in known)} {these}").fetchall()[0]
    broken = connection.execute(f"""
        SELECT {', '.join('count(*)' if whole else f'count(*) FILTER ({mend.test} <> id)' for mend in known)}
        FROM (SELECT id, id AS source FROM equal_ids)""").fetchall()[0]
    mend, count, lost = max(zip(known, counts, broken, strict=True), key=lambda found: found[1] - found[2])
    return (mend, int(count)) if count > lost else (None, 0)


def _emails(connection: duckdb.DuckDBPyConnection) -> str | None:
    seen, given = (connection.execute(
        f"SELECT coalesce(count_if(contains(id, '@')) / count(*), 0) FROM {table}").fetchall()[0][0]
        for table in ("open_ids", "ids_of_model"))
    if seen > 0.5 > given:
        return "seen"
    return "given" if given > 0.5 > seen else None
