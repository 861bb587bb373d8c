"""The warehouse: a query with bound parameters → a stream of Arrow record batches; and a database that takes rows.

Knows neither syncs nor Candu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.warehouse.bulk import Transaction as Transaction
    from candu_sync.warehouse.duckdb_row_hashes import HashSql as HashSql
    from candu_sync.warehouse.reading import Reading as Reading
    from candu_sync.warehouse.row_hashes import HashedModel as HashedModel
    from candu_sync.warehouse.row_hashes import IndexedModel as IndexedModel
    from candu_sync.warehouse.row_hashes import NotHashed as NotHashed
    from candu_sync.warehouse.row_hashes import RowHashes as RowHashes
    from candu_sync.warehouse.row_total import HASH_COLUMNS as HASH_COLUMNS
    from candu_sync.warehouse.row_total import RowTotal as RowTotal
    from candu_sync.warehouse.shards import shard_number as shard_number
    from candu_sync.warehouse.warehouse import Warehouse as Warehouse
    from candu_sync.warehouse.warehouse import open_warehouse as open_warehouse
    from candu_sync.warehouse.writable import Writable as Writable
    from candu_sync.warehouse.writable import file_beside as file_beside
    from candu_sync.warehouse.writable import open_writable as open_writable
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "bulk": "Transaction",
        "duckdb_row_hashes": "HashSql",
        "reading": "Reading",
        "row_hashes": "HashedModel IndexedModel NotHashed RowHashes",
        "row_total": "HASH_COLUMNS RowTotal",
        "shards": "shard_number",
        "warehouse": "Warehouse open_warehouse",
        "writable": "Writable file_beside open_writable",
    })
