"""The report: tables in a database, which have the runs and the rows of the ledger, for people who ask with SQL.

Knows the ledger and the database. Does not know how a run is made, nor HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.report.reports import Reports as Reports
    from candu_sync.report.tables import ROWS as ROWS
    from candu_sync.report.tables import RUNS as RUNS
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "reports": "Reports",
        "tables": "ROWS RUNS",
    })
