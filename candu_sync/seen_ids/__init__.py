"""The ids that Candu sees in browsers, compared with those that a model gives: equal ones, and how the others differ.

Knows an embedded engine and a CSV file. Does not know syncs, the state or the warehouse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.seen_ids.comparing import Comparison as Comparison
    from candu_sync.seen_ids.comparing import Difference as Difference
    from candu_sync.seen_ids.comparing import Given as Given
    from candu_sync.seen_ids.comparing import compare_ids as compare_ids
    from candu_sync.seen_ids.csv_file import id_column as id_column
    from candu_sync.seen_ids.csv_file import read_csv as read_csv
    from candu_sync.seen_ids.ways import WAYS as WAYS
    from candu_sync.seen_ids.ways import like_id as like_id
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "comparing": "Comparison Difference Given compare_ids",
        "csv_file": "id_column read_csv",
        "ways": "WAYS like_id",
    })
