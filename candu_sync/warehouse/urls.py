"""What is said of a warehouse's URL: without its secrets. And the URL of a DuckDB database, which needs no SQLAlchemy:
loading that takes longer than to compare a small table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from candu_sync.errors import WarehouseError, WarehouseUnreachable
from candu_sync.warehouse.faults import translated

if TYPE_CHECKING:
    from sqlalchemy import URL

MEMORY = (None, "", ":memory:")
"""Names of a database that is no file."""

_DUCKDB = re.compile(r"duckdb://(?:/(?P<database>[^?]*))?(?:\?(?P<options>.*))?")


@dataclass(frozen=True)
class DuckDBUrl:
    """The URL of a DuckDB database.

    Attributes:
        database: a path, or what DuckDB knows as one; in memory as ``MEMORY`` has it.
        query: the options, each with its value, or with several.
    """

    database: str | None
    query: Mapping[str, str | tuple[str, ...]]
    password = None

    @property
    def in_memory(self) -> bool:
        """Whether the database is no file."""
        return self.database in MEMORY

    @property
    def is_remote(self) -> bool:
        """Whether it is not on this machine."""
        database = self.database or ""
        return database.startswith(("md:", "motherduck:")) or "://" in database

    @property
    def options(self) -> dict[str, str]:
        """Option → the last of its values."""
        return {name: value if isinstance(value, str) else value[-1] for name, value in self.query.items()}


def duckdb_url(url_text: str) -> DuckDBUrl | None:
    """A URL of a DuckDB database as SQLAlchemy's ``make_url`` reads it; None: it is of another kind, or has parts that
    such a URL does not need.

    Example:
        >>> duckdb_url("duckdb:///data/warehouse.duckdb?threads=2")
        DuckDBUrl(database='data/warehouse.duckdb', query={'threads': '2'})
    """
    found = _DUCKDB.fullmatch(url_text)
    if found is None:
        return None
    query: dict[str, str | tuple[str, ...]] = {}
    for name, value in parse_qsl(found["options"] or ""):
        before = query.get(name, ())
        query[name] = (*((before,) if isinstance(before, str) else before), value) if before else value
    return DuckDBUrl(None if found["database"] is None else unquote(found["database"]), query)


@contextmanager
def connecting(url: URL | DuckDBUrl, *errors: type[Exception]) -> Iterator[None]:
    """Turns an error while a connection is made into one sentence, without the secrets of the URL.

    Args:
        errors: those of the driver.

    Raises:
        WarehouseUnreachable: the server does not answer, or refuses the connection; an option of the URL is wrong.
    """
    try:
        with translated(*errors, ValueError, TypeError, OSError, into=WarehouseUnreachable,
                        doing=f"cannot connect to the warehouse {shown(url)}"):
            yield
    except WarehouseUnreachable as error:
        raise WarehouseUnreachable(without_secrets(str(error), url)) from None


def without_secrets(text: str, url: URL | DuckDBUrl) -> str:
    """The text of a driver's error, without the password and the values of the URL's options, which some drivers
    repeat.

    Example:
        >>> url = duckdb_url("duckdb:///md:team?motherduck_token=hunter2")
        >>> without_secrets('invalid token: "hunter2"', url)
        'invalid token: "***"'
    """
    options = [value for values in url.query.values() for value in ([values] if isinstance(values, str) else values)]
    for secret in sorted({str(url.password or ""), *options} - {""}, key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe="")}:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", text)
    return text


def shown(url: URL | DuckDBUrl) -> str:
    """The URL without its password and its options, which may hold secrets too."""
    if isinstance(url, DuckDBUrl):
        return "duckdb://" if url.database is None else f"duckdb:///{quote(url.database, safe=' +/')}"
    return url.set(query={}).render_as_string(hide_password=True)


def require_file(database: str) -> None:
    """Raises ``WarehouseError``: there is no such file."""
    if not Path(database).is_file():
        raise WarehouseError(
            f"the warehouse file {database} does not exist; look at the path, which is relative to the folder that the "
            "command runs in (a path from the root takes four slashes: duckdb:////data/warehouse.duckdb)"
        )
