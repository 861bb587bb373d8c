"""The history: for each row that a run sent, what became of it. It is written from the receipts, with each commit.

Knows change sets and receipts. Does not know HTTP, nor the arguments of commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.history.digests import DigestFile as DigestFile
    from candu_sync.history.flat import flat_rows as flat_rows
    from candu_sync.history.layout import FOLDER as FOLDER
    from candu_sync.history.layout import ROW_GROUP as ROW_GROUP
    from candu_sync.history.layout import HistoryPolicy as HistoryPolicy
    from candu_sync.history.layout import LedgerFile as LedgerFile
    from candu_sync.history.layout import Mode as Mode
    from candu_sync.history.layout import parquet_options as parquet_options
    from candu_sync.history.ledger import record_run as record_run
    from candu_sync.history.retention import run_began as run_began
    from candu_sync.history.retention import tidy as tidy
    from candu_sync.history.runs import ledger_of as ledger_of
    from candu_sync.history.runs import runs_in_ledger as runs_in_ledger
    from candu_sync.history.search import HistoryQuery as HistoryQuery
    from candu_sync.history.search import first_rows as first_rows
    from candu_sync.history.search import search_history as search_history
    from candu_sync.history.unreported import Unreported as Unreported
    from candu_sync.history.unreported import change_unreported as change_unreported
    from candu_sync.history.unreported import move_unreported as move_unreported
    from candu_sync.history.unreported import note_run as note_run
    from candu_sync.history.unreported import unreported_runs as unreported_runs
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "digests": "DigestFile",
        "flat": "flat_rows",
        "layout": "FOLDER HistoryPolicy LedgerFile Mode ROW_GROUP parquet_options",
        "ledger": "record_run",
        "retention": "run_began tidy",
        "runs": "ledger_of runs_in_ledger",
        "search": "HistoryQuery first_rows search_history",
        "unreported": "Unreported change_unreported move_unreported note_run unreported_runs",
    })
