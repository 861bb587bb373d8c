"""The snapshot: what Candu has accepted, as Arrow files with a row index, and how accepted rows are merged into them.

Does not know HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.snapshot.few_rows import first_files as first_files
    from candu_sync.snapshot.few_rows import stored_rows as stored_rows
    from candu_sync.snapshot.hash_memory import HashMemory as HashMemory
    from candu_sync.snapshot.hash_memory import forget_hashes as forget_hashes
    from candu_sync.snapshot.index_writer import IndexWriter as IndexWriter
    from candu_sync.snapshot.known_rows import KnownRows as KnownRows
    from candu_sync.snapshot.known_rows import RowPairs as RowPairs
    from candu_sync.snapshot.learnt_rows import LearntRows as LearntRows
    from candu_sync.snapshot.merge import Merged as Merged
    from candu_sync.snapshot.merge import lay_over as lay_over
    from candu_sync.snapshot.merge import write_base as write_base
    from candu_sync.snapshot.row_index import FUNCTION as FUNCTION
    from candu_sync.snapshot.row_index import Index as Index
    from candu_sync.snapshot.row_index import hash_pairs as hash_pairs
    from candu_sync.snapshot.row_index import hashes as hashes
    from candu_sync.snapshot.row_index import key_hash as key_hash
    from candu_sync.snapshot.row_index import row_hash as row_hash
    from candu_sync.snapshot.snapshot import FORGOTTEN as FORGOTTEN
    from candu_sync.snapshot.snapshot import REJECTED as REJECTED
    from candu_sync.snapshot.snapshot import Snapshot as Snapshot
    from candu_sync.snapshot.snapshot import expose as expose
    from candu_sync.snapshot.snapshot import expose_refused as expose_refused
    from candu_sync.snapshot.snapshot import hashed_names as hashed_names
    from candu_sync.snapshot.snapshot import index_of as index_of
    from candu_sync.snapshot.snapshot import layout as layout
    from candu_sync.snapshot.snapshot import renewed_index as renewed_index
    from candu_sync.snapshot.snapshot import select_list as select_list
    from candu_sync.snapshot.snapshot import typed_nulls as typed_nulls
    from candu_sync.snapshot.versions import snapshot_of as snapshot_of
    from candu_sync.snapshot.versions import traits_of as traits_of
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "few_rows": "first_files stored_rows",
        "hash_memory": "HashMemory forget_hashes",
        "index_writer": "IndexWriter",
        "known_rows": "KnownRows RowPairs",
        "learnt_rows": "LearntRows",
        "merge": "Merged lay_over write_base",
        "row_index": "FUNCTION Index hash_pairs hashes key_hash row_hash",
        "snapshot": ("FORGOTTEN REJECTED Snapshot expose expose_refused hashed_names index_of layout renewed_index "
                     "select_list typed_nulls"),
        "versions": "snapshot_of traits_of",
    })
