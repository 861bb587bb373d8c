"""Which dialects compute hashes of their own of each row (``row_hashes.py``), and for which of them they are used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

from candu_sync.warehouse.postgres_row_hashes import open_postgres_hashes
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Reading
from candu_sync.warehouse.row_hashes import HashedModel

if TYPE_CHECKING:
    from candu_sync.warehouse.text_forms import TextDialect

RowHashesOf = Literal["tested", "all", "none"]
"""Where row hashes are used: in dialects whose engine they were run on, in all that have them, in none."""

Open = Callable[[Query, Sequence[str], Collection[str]], HashedModel]
"""A model, the columns of its key, those that are not hashed → its hashes. Raises as ``Warehouse.hashed``."""

_TESTED = {"postgresql", "clickhousedb", "databricks"}
_ALL = {*_TESTED, "snowflake", "bigquery", "redshift"}


def computes_hashes(dialect: str, used: RowHashesOf) -> bool:
    """Whether a dialect's own row hashes are used.

    Example:
        >>> [computes_hashes("snowflake", used) for used in ("tested", "all", "none")]
        [False, True, False]
    """
    return dialect in {"tested": _TESTED, "all": _ALL, "none": set[str]()}[used]


def has_hashes(dialect: str) -> bool:
    """Whether a dialect has row hashes, its own or those of the row index, used or not.

    Example:
        >>> [has_hashes(dialect) for dialect in ("duckdb", "snowflake", "sqlite")]
        [True, True, False]
    """
    return dialect == "duckdb" or dialect in _ALL


def hashes_of(dialect: str, read: Callable[[str], Reading]) -> Open:
    """How a model of a dialect is opened with its hashes.

    Args:
        dialect: one that has them.
        read: SQL with the model's parameters → its rows.
    """
    if dialect == "postgresql":
        return open_postgres_hashes
    from candu_sync.warehouse.text_forms import Asking
    from candu_sync.warehouse.text_hashes import open_text_hashes

    text = _text_dialect(dialect)
    return lambda query, key, ignored: open_text_hashes(text, Asking(query, read), key, ignored)


def _text_dialect(dialect: str) -> TextDialect:
    # Each is loaded where it is used.
    match dialect:
        case "snowflake":
            from candu_sync.warehouse.snowflake_row_hashes import SNOWFLAKE as FOUND
        case "bigquery":
            from candu_sync.warehouse.bigquery_row_hashes import BIGQUERY as FOUND
        case "databricks":
            from candu_sync.warehouse.databricks_row_hashes import DATABRICKS as FOUND
        case "clickhousedb":
            from candu_sync.warehouse.clickhouse_row_hashes import CLICKHOUSE as FOUND
        case _:
            from candu_sync.warehouse.redshift_row_hashes import REDSHIFT as FOUND
    return FOUND
