"""The SQL of the embedded engine, recorded while it runs.

    with recorded() as statements:
        lab.run(sync)
    print(written(statements))
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any
from unittest import mock

import duckdb

import candu_sync
from candu_sync import embedded
from tests.support.engine import by_the_engine

_PACKAGE = str(Path(candu_sync.__file__).parent)

# Longer lines are cut where a list has commas.
_LONG = 100

# A statement that makes a relation.
_MAKES = re.compile(
    r"\s*(?:CREATE\s+(?:OR REPLACE\s+)?(?:TEMP\s+)?(?:TABLE|VIEW)|ALTER TABLE \w+ RENAME TO)\s+(\w+)")


@dataclass
class Statement:
    """One statement.

    Attributes:
        verb: plan, push, commit, check or ids.
        place: the module and function that ran it.
        sql: its text.
        made: relation → columns, when it makes one.
    """

    verb: str
    place: str
    sql: str
    made: dict[str, list[str]] = field(default_factory=dict)


class _Recording:
    """A connection that writes down what it runs."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, found: list[Statement]) -> None:
        self._connection, self._found = connection, found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> _Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._connection.close()

    def cursor(self) -> _Recording:
        return _Recording(self._connection.cursor(), self._found)

    def execute(self, sql: str, parameters: Any = None) -> duckdb.DuckDBPyConnection:
        result = self._connection.execute(sql, parameters)
        made = _MAKES.match(sql)
        self._note(sql, {made[1]: self._columns(made[1])} if made else {})
        return result

    def sql(self, sql: str) -> duckdb.DuckDBPyRelation:
        self._note(sql)
        return self._connection.sql(sql)

    def register(self, name: str, rows: Any) -> None:
        self._connection.register(name, rows)
        # A reader of batches can be read once only.
        columns = rows.schema.names if hasattr(rows, "schema") else self._columns(name)
        self._note(f"-- {name}: Arrow", {name: list(columns)})

    def _columns(self, name: str) -> list[str]:
        with self._connection.cursor() as cursor:
            try:
                return [row[0] for row in cursor.execute(f"DESCRIBE {name}").fetchall()]
            except duckdb.CatalogException:  # a temporary relation is its own connection's
                return [row[0] for row in self._connection.execute(f"DESCRIBE {name}").fetchall()]

    def _note(self, sql: str, made: dict[str, list[str]] | None = None) -> None:
        verb, place = _caller()
        self._found.append(Statement(verb, place, sql, made or {}))


def _caller() -> tuple[str, str]:
    """The verb under way, and the module and function that runs a statement."""
    place, verb, frame = "", "", sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_PACKAGE):
            name = path[len(_PACKAGE) + 1:]
            if not place and name != "embedded.py":
                place = f"{name}, {frame.f_code.co_name.lstrip('_')}"
            verb = {("changes/messages.py", "encode"): "push", ("commit/next_version.py", "commit"): "commit",
                    ("operate/read_twice.py", "read_twice"): "check", ("operate/page_ids.py", "_compared"): "ids",
                    ("comparison/comparing.py", "compare"): "plan"}.get((name, frame.f_code.co_name), "") or verb
        frame = frame.f_back  # type: ignore[assignment]
    return verb, place


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Every statement that embedded engines run in the block, in order; their settings are left out. No number of rows
    is few."""
    found: list[Statement] = []

    def connect(database: str, **options: Any) -> _Recording:
        return _Recording(duckdb.connect(database, **options), found)

    duckdb_module = SimpleNamespace(connect=connect, IOException=duckdb.IOException)
    with mock.patch.object(embedded, "duckdb", duckdb_module), by_the_engine():
        yield found
    found[:] = [statement for statement in found if not statement.sql.startswith("SET ")]


def written(statements: list[Statement]) -> str:
    """The statements as one readable text, a heading for each verb and each function."""
    parts: list[str] = []
    verb = place = ""
    for statement in statements:
        if statement.verb != verb:
            verb = statement.verb
            parts.append(f"\n-- {'=' * 20} {verb} {'=' * 20}")
        if statement.place != place:
            place = statement.place
            parts.append(f"\n-- {place}")
        text = laid_out(statement.sql)
        parts.append(text if text.startswith("--") else f"{text};")
    return "\n".join(parts).lstrip() + "\n"


def laid_out(sql: str) -> str:
    """SQL whose lines are indented by the brackets that are open; long lists are laid out one item a line."""
    lines, depth = [], 0
    for line in (part for text in inspect.cleandoc(sql).splitlines() for part in _items(text.strip())):
        bare = re.sub(r"'(?:[^']|'')*'", "''", line)
        closing = len(bare) - len(bare.lstrip(")"))
        lines.append("    " * max(0, depth - closing) + line)
        depth += bare.count("(") - bare.count(")")
    return "\n".join(lines)


def _items(line: str) -> Iterator[str]:
    """A line as it is, or cut after the commas outside of its brackets and quotes when it is long."""
    start = depth = 0
    quoted = False
    for at, character in enumerate(line if len(line) > _LONG else ""):
        quoted ^= character == "'"
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and not quoted and depth == 0:
            yield line[start : at + 1].strip()
            start = at + 1
    if line[start:].strip():
        yield line[start:].strip()
