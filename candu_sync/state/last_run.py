"""``last.json``: how the last run of a sync and partition ended."""

from __future__ import annotations

from typing import Any

from candu_sync.state.versions import PartitionState

_NAME = "last.json"


def read_last_run(state: PartitionState) -> dict[str, Any]:
    """How the last run ended; empty: there was none."""
    return state.read_json(_NAME) or {}


def write_last_run(state: PartitionState, body: dict[str, Any]) -> None:
    """Write down how a run ended, in place of the one before.

    Raises:
        StateError: it cannot be written.
    """
    state.write_json(_NAME, body)
