"""What a plan or a run came to: the one object that ``--json`` prints, Dagster shows and ``status`` remembers."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from candu_sync.changes import ChangeSet
from candu_sync.commit.uncertain_events import list_uncertain
from candu_sync.delivery import Report
from candu_sync.errors import Transient, Unauthorized
from candu_sync.state import PartitionState, write_last_run
from candu_sync.syncs import Sync

Status = Literal["succeeded", "failed", "guarded", "planned"]

# Seconds are printed to the millisecond.
_DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One sync and partition, with the fields that ``--json`` prints (docs/operate.md).

    ``rows`` = ``added`` + ``changed`` + ``unchanged`` + ``invalid``, and the rows that Candu refused before and that
    have not changed since, which are part of ``rejected``. ``messages`` = ``accepted`` + ``unsent`` + those refused
    now. ``identity_changes`` (as in ``Summary``) and the last four are not printed: ``unauthorized`` (the key is wrong,
    no other sync can do better) and ``transient`` (worth another try) say to callers what to do about ``error``.
    """

    sync: str
    partition: str | None
    run_id: str
    status: Status
    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    invalid: int = 0
    messages: int = 0
    accepted: int = 0
    rejected: int = 0
    unsent: int = 0
    requests: int = 0
    retries: int = 0
    traits: dict[str, int] = field(default_factory=dict)
    noise: dict[str, dict[str, int]] = field(default_factory=dict)
    identity_changes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    exit_code: int = 0
    bytes: int = 0
    unauthorized: bool = False
    transient: bool = False

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        body = asdict(self)
        for name in ("identity_changes", "exit_code", "bytes", "unauthorized", "transient"):
            del body[name]
        phases = {name: round(self.seconds.get(name, 0.0), _DIGITS) for name in ("read", "diff", "push", "commit")}
        body["seconds"] = phases | {"total": round(sum(self.seconds.values()), _DIGITS)}
        return body


def result_of(changes: ChangeSet, status: Status, *, report: Report | None = None,
              seconds: dict[str, float] | None = None, error: str | None = None,
              exit_code: int | None = None) -> RunResult:
    """The result of a change set: planned, guarded, or pushed with a delivery's report.

    Args:
        exit_code: None: 4 where rows were set aside, else 0.
    """
    s, report = changes.summary, report or Report()
    rejected = s.held + report.rejected
    if exit_code is None:
        exit_code = 4 if s.invalid or rejected else 0
    return RunResult(
        sync=changes.sync, partition=changes.partition, run_id=changes.run_id, status=status, rows=s.rows,
        added=s.added, changed=s.changed, removed=s.removed, unchanged=s.unchanged,
        invalid=s.invalid, messages=s.messages, accepted=report.accepted, rejected=rejected,
        unsent=s.messages - report.accepted - report.rejected,
        requests=report.requests, retries=report.retries, traits=s.traits, noise=s.noise,
        identity_changes=s.identity_changes,
        seconds=changes.seconds | (seconds or {}), error=error, exit_code=exit_code,
        bytes=report.bytes, unauthorized=isinstance(report.error, Unauthorized),
        transient=isinstance(report.error, Transient))


def failed(sync: str, partition: str | None, error: str, exit_code: int) -> RunResult:
    """A run that did not come as far as a change set."""
    return RunResult(sync=sync, partition=partition, run_id="", status="failed", error=error, exit_code=exit_code)


def remember(state: PartitionState, result: RunResult, sync: Sync) -> RunResult:
    """Write down how a run ended, with the number of its uncertain events and the digest of the sync's model. Returns
    the result."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    uncertain = sum(found.count for found in list_uncertain(state) if found.run_id == result.run_id)
    write_last_run(state, result.to_json() | {"at": at, "uncertain": uncertain, "model": sync.model_digest})
    return result
