"""How the last run of a sync and partition ended, and what is still known from the runs before it: its record."""

from __future__ import annotations

from typing import Any

from candu_sync.state.partition_state import PartitionState

# Runs whose number of rows that did not go is remembered.
_LEFT = 5

# Runs whose counts are remembered: the last one, and those that it is compared with.
_RECENT = 21

# What is not known after a run without a result.
_COUNTS = ("invalid", "refused", "waiting")


def read_last_run(state: PartitionState) -> dict[str, Any]:
    """How the last run ended; empty: there was none.

    Returns:
        What ``RunResult.to_json`` has, and: at (ISO 8601, UTC), uncertain, model, and what ``carried_on`` adds.
    """
    return last_run_of(state.read_record())


def last_run_of(body: dict[str, Any]) -> dict[str, Any]:
    """As ``read_last_run``, of a record that was read."""
    # A record of 0.1.0 has the counts under their old names.
    return body | {new: body.get(new, body.get(old)) for new, old in (("refused", "rejected"), ("waiting", "unsent"))
                   if new in body or old in body}


def write_last_run(state: PartitionState, body: dict[str, Any]) -> None:
    """Write down how a run ended, in place of the one before. A power cut may lose it: nothing that Candu has depends
    on it, and a file that was cut off reads as none.

    Raises:
        StateError: it cannot be written.
    """
    state.write_record(body)


def last_good(run: dict[str, Any]) -> str | None:
    """When a run last ended well, by the record of the last run (ISO 8601, UTC); None: none did."""
    good: str | None = run.get("succeeded_at", run.get("at") if run.get("status") == "succeeded" else None)
    return good


def carried_on(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What the record of a run has from the runs before it.

    Args:
        before, now: the record of the run before, empty where there was none, and that of the run.

    Returns:
        since: when the first of the runs ended that ended like this one, one after the other.
        succeeded_at: when a run last ended well; None: none did.
        left: rows and messages that did not go, of each of the last runs that had a result, the newest last.
        recent: rows and messages of each of the last runs that ended well, the newest last; of a full run no messages.
        invalid, refused, waiting: of the run before, where this one had no result.

    Example:
        >>> failed = {"at": "2026-11-02T06:00:00+00:00", "status": "failed", "run_id": ""}
        >>> carried_on({"at": "2026-11-01T06:00:00+00:00", "status": "failed", "invalid": 3}, failed)["invalid"]
        3
    """
    same = before.get("status") == now["status"]
    left, recent = list(before.get("left", [])), list(before.get("recent", []))
    kept = {name: before[name] for name in _COUNTS if name in before}
    if now["run_id"]:
        kept = {}
        left.append(sum(now[name] for name in _COUNTS))
        if now["status"] == "succeeded":
            recent.append({"rows": now["rows"], "messages": None if now.get("full") else now["messages"]})
    return kept | {
        "since": before.get("since", before.get("at")) if same else now["at"],
        "succeeded_at": now["at"] if now["status"] == "succeeded" else last_good(before),
        "left": left[-_LEFT:], "recent": recent[-_RECENT:]}
