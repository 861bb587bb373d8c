"""PostgreSQL's parallel processes for row hashes.

By its default the server takes handing a row from one process to another for ten times as dear as reading it, so that
it would compute the hashes of all rows in one process. How many processes it may use is a setting of the server's,
which stays as it is.
"""

from __future__ import annotations

import re
from typing import Any

from candu_sync.warehouse.adbc_databases import aside

# What gives the same rows in whatever order those come that it works on. The sum of float8 does not, nor string_agg,
# nor LIMIT: the server splits those only where it would do so anyway.
_ANY_ORDER = frozenset((
    "Append", "BitmapAnd", "BitmapOr", "Bitmap Heap Scan", "Bitmap Index Scan", "CTE Scan", "Gather", "Gather Merge",
    "Hash", "Hash Join", "Incremental Sort", "Index Only Scan", "Index Scan", "Materialize", "Memoize", "Merge Append",
    "Merge Join", "Nested Loop", "Result", "Seq Scan", "Sort", "Subquery Scan", "Values Scan"))

_NODE = re.compile(r'"Node Type": "([^"]*)"')

_COPY = "adbc.postgresql.use_copy"


def allow_parallel(cursor: Any, sql: str) -> bool:
    """Let the server read a model in several processes, for the transaction, where no row depends on the order of rows.

    Args:
        cursor: of ADBC, in a transaction.
        sql: the model.

    Returns:
        Whether it may.

    Raises:
        Errors of the driver: the server does not explain the query.
    """
    # ADBC would run it as a COPY.
    cursor.adbc_statement.set_options(**{_COPY: "false"})
    aside(cursor.execute, f"explain (format json) {sql}")
    [(plan,)] = cursor.fetchall()
    cursor.adbc_statement.set_options(**{_COPY: "true"})
    steps = set(_NODE.findall(plan))
    if not steps <= _ANY_ORDER:
        return False
    aside(cursor.execute, "set local parallel_tuple_cost = 0")
    return True
