"""The tag of a query: ``candu-sync users/profile``, so that the warehouse's history and bill name the sync.

Each dialect has its own place for it, as arguments of the connection; where there is none, a comment before the SQL.
A tag is the same for every run of a sync: SQL with its comment is the same text each time, and so stays in caches. It
has letters, digits and ``-_./`` alone, no text of a user, and no key of a partition, which may be personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Engine

PRODUCT = "candu-sync"
"""The tag of what belongs to no sync."""

REPORT = f"{PRODUCT} report"
"""The tag of what is written into the tables of the report."""

# PostgreSQL cuts application_name off after so many bytes; values of BigQuery's labels have no more either.
_LONGEST = 63

_OTHER = re.compile(r"[^A-Za-z0-9_./-]")

# What sqlalchemy-redshift says of itself.
_REDSHIFT_DEFAULT = "sqlalchemy-redshift"

_COMMENTED = ("clickhousedb", "databricks", "mssql")
"""Dialects without another place: ClickHouse's ``log_comment`` is a setting, which a role that only reads may not set;
Databricks' query tags are not known to every warehouse; SQL Server's driver names the program itself."""

_current: ContextVar[str] = ContextVar("tag of a connection", default=PRODUCT)


def tag_of(sync: str | None) -> str:
    """The tag of a sync's queries; None: they belong to no sync.

    Example:
        >>> tag_of("users/profile"), tag_of("odd */ name")
        ('candu-sync users/profile', 'candu-sync odd__/_name')
    """
    return PRODUCT if not sync else f"{PRODUCT} {_OTHER.sub('_', sync)}"[:_LONGEST]


def commented(sql: str, dialect: str, tag: str) -> str:
    """The SQL, behind a comment with the tag where the dialect has no other place for it."""
    return f"/* {tag} */ {sql}" if dialect in _COMMENTED else sql


@contextmanager
def carrying(tag: str) -> Iterator[None]:
    """Connections that the block makes carry the tag."""
    token = _current.set(tag)
    try:
        yield
    finally:
        _current.reset(token)


def tag_connections(engine: Engine, fixed: str | None = None) -> Engine:
    """Let each connection of an engine carry its tag: ``fixed``, or that of ``carrying``. Returns the engine."""
    from sqlalchemy import event

    given: dict[str, Any] = {}

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _: object, __: object, options: dict[str, Any]) -> None:
        # The options are one dictionary for all connections: those of before the first tag count.
        if not given:
            given.update(options)
        options.update(tag_options(dialect.name, dialect.driver, given, fixed or _current.get()))

    return engine


def tag_options(dialect: str, driver: str, options: dict[str, Any], tag: str) -> dict[str, Any]:
    """What a driver is given, besides its options, so that a connection carries a tag. What the URL says is kept."""
    match dialect, driver:
        case "postgresql", "psycopg" | "psycopg2":
            # libpq takes it where neither the URL nor PGAPPNAME has application_name.
            return {"fallback_application_name": options.get("fallback_application_name", tag)}
        case "redshift", _ if options.get("application_name", _REDSHIFT_DEFAULT) == _REDSHIFT_DEFAULT:
            return {"application_name": tag}
        case "snowflake", _:
            return {"session_parameters": {"QUERY_TAG": tag, **options.get("session_parameters", {})}}
        case ("mysql" | "mariadb"), "pymysql" if "program_name" not in options:
            return {"program_name": tag}
        case "trino", _:
            source = options.get("source", "trino-sqlalchemy")
            tags = [*(options.get("client_tags") or ()), *tag.split()]
            return {"source": tag if source == "trino-sqlalchemy" else source, "client_tags": tags}
        case "bigquery", _:
            _label(options.get("client"), tag)
    return {}


def labels(tag: str) -> dict[str, str]:
    """The labels of a job of BigQuery: small letters, digits, ``_`` and ``-``.

    Example:
        >>> labels("candu-sync users/profile")
        {'candu-sync': 'users-profile'}
    """
    product, _, sync = tag.partition(" ")
    return {product: re.sub(r"[^a-z0-9_-]", "-", sync.lower())}


def _label(client: Any, tag: str) -> None:
    """Label the jobs of a BigQuery client, those of rows."""
    if client is None:
        return
    from google.cloud.bigquery import QueryJobConfig

    config = client.default_query_job_config or QueryJobConfig()
    config.labels = {**config.labels, **labels(tag)}
    client.default_query_job_config = config
