"""How a run ends: its result, what the state remembers of it, and what is reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from candu_sync.changes import ChangeSet, new_run_id, settle
from candu_sync.commit import RunResult, failed, remember, result_of
from candu_sync.delivery import Report
from candu_sync.errors import CanduSyncError, Claimed, GuardTripped, StaleChanges, StateError
from candu_sync.history import note_run
from candu_sync.naming import counted
from candu_sync.progress import Reporter
from candu_sync.state import Version
from candu_sync.syncs import follows_schedule, schedule_lag
from candu_sync.target import Target


def guarded(changes: ChangeSet, stopped_by: GuardTripped) -> RunResult:
    """The result of a run that its guard stopped."""
    return result_of(changes, "guarded", error=str(stopped_by), guard=stopped_by.reasons,
                     exit_code=stopped_by.exit_code)


def note_stopped(target: Target, changes: ChangeSet, stopped_by: GuardTripped) -> RunResult:
    """Write down that a run was stopped between its plan and its push, where these are steps of another tool.

    Returns:
        The result: ``guarded``.

    Example:
        >>> from candu_sync import plan
        >>> target = Target(project, sync)
        >>> note_stopped(target, plan(target), GuardTripped(target.name, ["0 rows"], ["min_rows"])).status
        'guarded'
    """
    return _remember(target, changes, guarded(changes, stopped_by))


def _remember(target: Target, changes: ChangeSet, result: RunResult) -> RunResult:
    _note_report(target, result)
    return remember(target.state, result, target.sync, full=changes.full, launched_as=target.project.launched_as)


def note_end(target: Target, changes: ChangeSet, reporter: Reporter, result: RunResult,
             error: str | None = None) -> RunResult:
    """Write down how a run ended, for the next one and for ``status``. A run of a few rows says nothing about the
    others.

    Args:
        error: the class of what ended it early.
    """
    if changes.keys:
        _note_report(target, result)
        reporter.end(result.status, result.counts(), error=error)
        return result
    result = _remember(target, changes, result)
    _report_end(reporter, target, result, error)
    return result


def note_failed_plan(target: Target, reporter: Reporter, error: CanduSyncError) -> None:
    """As ``note_end``, where the model could not be read or be sent: there is no change set."""
    result = failed(target.sync.name, target.partition, str(error), error.exit_code,
                    route=target.route.name)
    _note_report(target, result)
    result = remember(target.state, result, target.sync, launched_as=target.project.launched_as)
    _report_end(reporter, target, result, type(error).__name__)


def _report_end(reporter: Reporter, target: Target, result: RunResult, error: str | None) -> None:
    """Report how a run ended that was remembered."""
    now = dt.datetime.now(dt.UTC)
    good = None if result.good_before is None else dt.datetime.fromisoformat(result.good_before)
    last = now if result.status == "succeeded" else good
    timely = last is not None and follows_schedule(target.sync, target.partition, now)
    age = max(0.0, (now - last).total_seconds()) if last and timely else None
    reporter.end(result.status, result.counts() if result.run_id else None, error=error,
                 lag=schedule_lag(target.sync, target.partition, good, now), age=age)


def _note_report(target: Target, result: RunResult) -> None:
    """Note that the report tables do not have a run yet. A failure before there was a change set has no name."""
    if target.history.report is not None:
        # The run was made, and is in the state. A state that fails now costs its row in the tables only.
        with suppress(StateError):
            note_run(target.state, result.run_id or new_run_id(), target.history, result.to_json())
        target.project.reports.note()


def end_of_push(target: Target, changes: ChangeSet, version: Version, report: Report, seconds: dict[str, float], *,
                sampled: bool) -> RunResult:
    """How a push ended. The change set of one that went well is settled: nothing of it awaits a push."""
    error = str(report.error) if report.error else None
    if error is None and _left(changes, report) and not sampled:
        error = _stopped(changes, report)
    if error is not None:
        return result_of(changes, "failed", report=report, seconds=seconds, error=error, exit_code=1)
    result = succeeded(target, changes, version.number, report, seconds)
    settle(target.state, changes)
    return result


def succeeded(target: Target, changes: ChangeSet, number: int, report: Report,
              seconds: dict[str, float]) -> RunResult:
    """The result of a run that went well.

    Args:
        number: of the version before.
    """
    if number and not report.requests:
        # A state from before it knew its workspace.
        target.take_on_workspace()
    return result_of(changes, "succeeded", report=report, seconds=seconds)


@contextmanager
def remembered(target: Target, changes: ChangeSet, report: Report, reporter: Reporter) -> Iterator[None]:
    """Write down how a push ended, also when an exception ends it."""
    try:
        yield
    except (Claimed, StaleChanges):
        raise  # another run is at work, or was: what is written down is how that one ends
    except BaseException as error:
        why = str(error) if isinstance(error, CanduSyncError) else _stopped(changes, report)
        with suppress(StateError):
            note_end(target, changes, reporter, result_of(changes, "failed", report=report, seconds=reporter.seconds,
                                                          error=why, exit_code=1))
        raise


def _stopped(changes: ChangeSet, report: Report) -> str:
    left = counted(_left(changes, report), "message")
    return f"stopped with {left} waiting; the next run goes on from there"


def _left(changes: ChangeSet, report: Report) -> int:
    return changes.summary.messages - report.accepted - report.rejected
