"""The commit: receipts → the next version of the snapshot, also for a run that died.

Does not know HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.commit.next_version import commit as commit
    from candu_sync.commit.recovery import recover as recover
    from candu_sync.commit.run_result import RunResult as RunResult
    from candu_sync.commit.run_result import failed as failed
    from candu_sync.commit.run_result import remember as remember
    from candu_sync.commit.run_result import result_of as result_of
    from candu_sync.commit.uncertain_events import list_uncertain as list_uncertain
    from candu_sync.commit.uncertain_events import note_uncertain as note_uncertain
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "next_version": "commit",
        "recovery": "recover",
        "run_result": "RunResult failed remember result_of",
        "uncertain_events": "list_uncertain note_uncertain",
    })
