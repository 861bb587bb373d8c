"""The row of a run in ``sync_runs``: by its result, or by its ledger where no result was written down."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from candu_sync.history import Unreported, run_began
from candu_sync.report.tables import RUNS

_COUNTS = ("added", "changed", "removed", "unchanged", "refreshed", "invalid", "messages", "accepted", "refused",
           "waiting", "requests", "retries")
_PHASES = ("read", "diff", "push", "commit")


@dataclass
class Seen:
    """What went by while the rows of a run were written: how many of each outcome, and when the last was answered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    newest: dt.datetime | None = None

    def look(self, rows: pa.RecordBatch) -> None:
        """Take note of some rows of ``sync_rows``."""
        for found in rows.column("outcome").value_counts().to_pylist():
            self.outcomes[found["values"]] += found["counts"]
        newest = pa.compute.max(rows.column("answered_at")).as_py()
        self.newest = max((at for at in (self.newest, newest) if at is not None), default=None)


def run_row(run: Unreported, state_id: str, seen: Seen) -> pa.RecordBatch:
    """The row of a run. Where there is no result, status and all counts that the ledger does not have are null.

    Args:
        state_id: says which state the run is of.
        seen: of the ledger's rows of the run.
    """
    row: dict[str, Any] = dict.fromkeys(RUNS.names)
    row |= {"run_id": run.run_id, "state_id": state_id, "sync": run.sync, "partition_key": run.partition,
            "began_at": run_began(run.run_id), "uncertain": seen.outcomes["uncertain"],
            "reported_at": dt.datetime.now(dt.UTC)}
    row |= _of_ledger(seen) if run.result is None else _of_result(run.result)
    row["ended_at"] = seen.newest if run.ended is None else dt.datetime.fromisoformat(run.ended)
    return pa.RecordBatch.from_pylist([row], RUNS)


def _of_ledger(seen: Seen) -> dict[str, Any]:
    return {name: seen.outcomes[name] for name in ("accepted", "refused", "invalid")}


def _of_result(result: dict[str, Any]) -> dict[str, Any]:
    seconds = result.get("seconds") or {}
    return {"status": result["status"], "model_rows": result["rows"], "error": result["error"],
            "route": result.get("route"),
            **{name: result.get(name) for name in _COUNTS},
            **{f"{name}_seconds": seconds.get(name) for name in _PHASES}}
