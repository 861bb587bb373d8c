"""TODO state.last_run."""

from __future__ import annotations

from typing import Any

from candu_sync.state.versions import PartitionState


def last_run(state: PartitionState) -> dict[str, Any]:
    """How the last run ended; empty: there was none."""
    return state.read_json("last.json") or {}
