"""Runs that the report tables do not have yet: a small object for each, until a report has written the run.

It is put before the ledger file of the run, so that a run whose ledger is there is never missed; and again, with the
result, when the run has ended. A run that sent nothing has only the second.

    report/runs/users.profile/-/20261101T060000-1a2b3c4d.json

If no report ever takes it, it is removed when the ledger's rows of that time are (``retention``).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from candu_sync.history.layout import HistoryPolicy, Mode
from candu_sync.state import PartitionState, State, owner_of, this_process

NOTES = "report/runs/"


@dataclass(frozen=True, kw_only=True)
class Unreported:
    """One run that waits for its report.

    Attributes:
        name: of the object in the state.
        partition: None: the sync has none.
        schema: of the tables that take it.
        mode: what the tables take of its rows: at most what the ledger has.
        ended: ISO 8601, UTC; None: how the run ended is not known.
        result: what ``RunResult.to_json`` has; None: the same.
        owner: the process that committed it.
    """

    name: str
    run_id: str
    sync: str
    partition: str | None
    schema: str
    mode: Mode
    ended: str | None
    result: dict[str, Any] | None
    owner: dict[str, Any]

    def is_under_way(self, now: dt.datetime) -> bool:
        """Whether another process, which still runs, has committed the run and will write down how it ended."""
        owner = owner_of(self.owner)
        here = this_process(self.run_id).process_id
        return self.result is None and owner.process_id != here and owner.alive(now)


def note_run(state: PartitionState, run_id: str, policy: HistoryPolicy,
             result: Mapping[str, Any] | None = None) -> None:
    """Write down that the report tables do not have a run yet. Nothing is written where there are no such tables.

    Args:
        result: what ``RunResult.to_json`` has; None: the run has not ended.

    Raises:
        StateError: it cannot be written.
    """
    if policy.report is None:
        return
    ended = None if result is None else dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    _put(state, Unreported(
        name=_name(state, run_id), run_id=run_id, sync=state.sync, partition=state.partition, schema=policy.report,
        mode=policy.mode if policy.written else "none", ended=ended, result=None if result is None else dict(result),
        owner=asdict(this_process(run_id))))


def unreported_runs(state: State) -> Iterator[Unreported]:
    """The runs that wait for their report, of all syncs, the oldest first.

    Raises:
        StateError: the state cannot be read.
    """
    for name in sorted(state.store.list(NOTES), key=lambda name: name.rpartition("/")[2]):
        body = state.store.get(name)
        if body is not None:
            yield Unreported(**json.loads(body), name=name)


def change_unreported(state: State, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the results of runs that wait.

    Args:
        change: is called with each result, and returns the new one.
    """
    for run in unreported_runs(state):
        if run.result is not None and (new := change(run.result)) != run.result:
            state.store.put(run.name, _body(replace(run, result=new)))


def move_unreported(old: PartitionState, new: PartitionState) -> None:
    """The runs of a partition get the sync's new name: their ledger has moved there."""
    for name in old.store.list(f"{NOTES}{old.prefix}/"):
        body = old.store.get(name)
        if body is not None:
            run = Unreported(**json.loads(body), name=name)
            _put(new, replace(run, name=_name(new, run.run_id), sync=new.sync))
        old.store.delete(name)


def _put(state: PartitionState, run: Unreported) -> None:
    state.store.put(run.name, _body(run))


def _body(run: Unreported) -> bytes:
    return json.dumps({name: value for name, value in asdict(run).items() if name != "name"}).encode()


def _name(state: PartitionState, run_id: str) -> str:
    return f"{NOTES}{state.prefix}/{run_id}.json"
