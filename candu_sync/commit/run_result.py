"""The result of a plan or a run: the one object that ``--json`` prints, Dagster shows and ``status`` remembers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from candu_sync.changes import ChangeSet
from candu_sync.commit.uncertain_events import uncertain_of
from candu_sync.delivery import Report
from candu_sync.errors import Transient, Unauthorized
from candu_sync.state import PartitionState, carried_on, last_good, read_last_run, write_last_run
from candu_sync.syncs import Sync

Status = Literal["succeeded", "failed", "guarded", "planned"]

# What a result counts, of the fields of RunResult.
_COUNTS = ("rows", "added", "changed", "removed", "unchanged", "refreshed", "invalid", "messages", "accepted",
           "refused", "waiting", "requests", "retries")

# Seconds are printed to the millisecond.
_DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One sync and partition, with the fields that ``--json`` prints (docs/operate.md).

    ``rows`` = ``added`` + ``changed`` + ``unchanged`` + ``invalid``, and the rows that Candu refused before and that
    have not changed since, which are part of ``refused``. ``messages`` = ``accepted`` + ``waiting`` + those refused
    now. ``identity_changes`` and ``missing_keys`` (as in ``Summary``) and the last six are not printed.

    Attributes:
        refreshed: as in ``Summary``: unchanged rows that go, or went, again.
        invalid: rows that cannot be sent.
        refused: rows that Candu refused, now or before; they are not sent again until they change or are retried.
        waiting: messages that go with the next run, and rows that wait until their user is identified.
        new_traits: as in ``Summary``.
        reasons: why rows are invalid → rows.
        unidentified: as in ``Summary``.
        route: as the change set's; None: it is not known.
        guard: what the sync's guard has against the changes, a sentence each.
        read: by which path the model was read, and how many whole rows and bytes (as Arrow has them) came from the
            warehouse; empty: it was not read.
        too_large: as the report's.
        unauthorized: the key is wrong, no other sync can do better.
        transient: ``error`` is worth another try.
        good_before: when a run before this one last ended well (ISO 8601, UTC), as ``remember`` found it; None: none
            did, or it is not known.
    """

    sync: str
    partition: str | None
    route: str | None = None
    run_id: str
    status: Status
    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refreshed: int = 0
    invalid: int = 0
    messages: int = 0
    accepted: int = 0
    refused: int = 0
    waiting: int = 0
    requests: int = 0
    retries: int = 0
    traits: dict[str, int] = field(default_factory=dict)
    new_traits: dict[str, int] = field(default_factory=dict)
    noise: dict[str, dict[str, int]] = field(default_factory=dict)
    identity_changes: list[str] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    unidentified: int | None = None
    guard: tuple[str, ...] = ()
    read: dict[str, str | int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    exit_code: int = 0
    bytes: int = 0
    too_large: int = 0
    unauthorized: bool = False
    transient: bool = False
    good_before: str | None = None

    def counts(self) -> dict[str, int]:
        """Its numbers of rows, messages and requests."""
        return {name: getattr(self, name) for name in _COUNTS}

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        body = dict(vars(self))
        for name in ("identity_changes", "missing_keys", "exit_code", "bytes", "too_large", "unauthorized", "transient",
                     "good_before"):
            del body[name]
        # Their names of 0.1.0, for one version more.
        body |= {"rejected": self.refused, "unsent": self.waiting}
        phases = {name: round(self.seconds.get(name, 0.0), _DIGITS) for name in ("read", "diff", "push", "commit")}
        body["seconds"] = phases | {"total": round(sum(self.seconds.values()), _DIGITS)}
        return body


def result_of(changes: ChangeSet, status: Status, *, report: Report | None = None,
              seconds: dict[str, float] | None = None, error: str | None = None,
              exit_code: int | None = None, guard: Sequence[str] = ()) -> RunResult:
    """The result of a change set: planned, guarded, or pushed with a delivery's report.

    Args:
        exit_code: None: 4 where rows are invalid or refused, else 0.
        guard: as the result's.
    """
    s, report = changes.summary, report or Report()
    refused = s.held + report.rejected
    if exit_code is None:
        exit_code = 4 if s.invalid or refused else 0
    return RunResult(
        sync=changes.sync, partition=changes.partition, route=changes.route, run_id=changes.run_id,
        status=status, rows=s.rows,
        added=s.added, changed=s.changed, removed=s.removed, unchanged=s.unchanged, refreshed=s.refreshed,
        invalid=s.invalid, messages=s.messages, accepted=report.accepted, refused=refused,
        waiting=s.held_back + s.messages - report.accepted - report.rejected,
        requests=report.requests, retries=report.retries, traits=s.traits, new_traits=s.new_traits,
        noise=s.noise, reasons=s.reasons, unidentified=s.unidentified,
        identity_changes=s.identity_changes, missing_keys=s.missing_keys, guard=tuple(guard),
        read={"by": changes.path, "rows": changes.rows_read, "bytes": changes.bytes_read},
        seconds=changes.seconds | (seconds or {}), error=error, exit_code=exit_code,
        bytes=report.bytes, too_large=report.too_large, unauthorized=isinstance(report.error, Unauthorized),
        transient=isinstance(report.error, Transient))


def failed(sync: str, partition: str | None, error: str, exit_code: int, *, route: str | None = None) -> RunResult:
    """A run that failed before it had a change set."""
    return RunResult(sync=sync, partition=partition, route=route, run_id="", status="failed", error=error,
                     exit_code=exit_code)


def remember(state: PartitionState, result: RunResult, sync: Sync, *, full: bool = False,
             launched_as: str | None = None) -> RunResult:
    """Write down how a run ended, with the number of its uncertain events, the digest of the sync's model, and what
    is known from the runs before (``carried_on``). Returns the result, with ``good_before``.

    Args:
        full: every row was sent, whole.
        launched_as: as the project's.
    """
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    uncertain = uncertain_of(state, result.run_id) if sync.kind == "events" else 0
    body = result.to_json() | {"at": at, "uncertain": uncertain, "model": sync.model_digest, "full": full,
                               "launched_as": launched_as}
    before = read_last_run(state)
    write_last_run(state, body | carried_on(before, body))
    return replace(result, good_before=last_good(before))
