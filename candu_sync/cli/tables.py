"""Results on stdout: as tables for people, as CSV or as JSON lines."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from candu_sync.naming import counted, named
from candu_sync.terminal import console, csv_cell, json_line, printable

if TYPE_CHECKING:
    from candu_sync.changes import ChangeSet
    from candu_sync.commit import RunResult
    from candu_sync.operate import SetAside
    from candu_sync.syncs import Sync

_COUNTS = ("rows", "added", "changed", "removed", "unchanged", "invalid", "messages", "accepted", "refused", "waiting",
           "requests")
_STYLES = {"succeeded": "green", "failed": "red", "guarded": "yellow"}


def show_results(results: Sequence[RunResult]) -> None:
    """A table of runs: a row a sync and partition."""
    from candu_sync.changes import noise_notes

    table = _table("sync", *_COUNTS, "seconds", "status", numbers=len(_COUNTS) + 1)
    for r in results:
        counts = [f"{getattr(r, name):,}" for name in _COUNTS]
        status = Text(r.status, style=_STYLES.get(r.status, ""))
        table.add_row(_text(named(r.sync, r.partition)), *counts, f"{sum(r.seconds.values()):.1f}", status)
    console().print(table)
    for r in results:
        for note in (*r.identity_changes, *noise_notes(r)):
            console().print(_text(f"{named(r.sync, r.partition)}: {note}"))
    of = {r.sync for r in results if r.invalid or r.refused or r.waiting}
    show_next_steps(of.pop() if len(of) == 1 else "SYNC", invalid=sum(r.invalid for r in results),
                    refused=sum(r.refused for r in results), waiting=sum(r.waiting for r in results))


def show_next_steps(sync: str, *, invalid: int, refused: int, waiting: int = 0) -> None:
    """A line for each sort of rows that were not accepted: what happens next."""
    from candu_sync.operate import next_steps

    for step in next_steps(sync, invalid=invalid, refused=refused, waiting=waiting):
        console().print(_text(step))


def show_plan(sync: Sync, changes: ChangeSet, *, rate: float, batch_size: int) -> None:
    """A plan: what would be sent, and why."""
    # This loads the embedded engine, which `list` does without.
    from candu_sync.changes import tripped

    out, s = console(), changes.summary
    title = Text(printable(named(changes.sync, changes.partition)), style="bold")
    read = f"read by {changes.path}" if s.ended_rows is None else (
        "the model is not read, since this is no longer a partition of the sync")
    out.print(title.append(f": {counted(s.rows, 'row')} against {s.snapshot_rows:,} in the snapshot "
                           f"(version {changes.base}), {read}", style="not bold"))
    table = _table("", "rows", numbers=1)
    for name, count in (("added", s.added), ("changed", s.changed), ("removed", s.removed),
                        ("unchanged", s.unchanged), ("invalid", s.invalid), ("refused", s.held)):
        table.add_row(name, f"{count:,}")
    out.print(table)
    requests = -(-s.messages // batch_size)
    wait = f", {requests / rate:,.1f} s at {rate:g} requests a second" if rate else ""
    out.print(f"would send {counted(s.messages, 'message')} ({s.bytes:,} bytes) in about "
              f"{counted(requests, 'request')}{wait}")
    if s.traits:
        _show_pairs(out, ("trait", "messages"), s.traits.items())
    if s.reasons:
        _show_pairs(out, ("invalid because", "rows"), s.reasons.items())
    show_next_steps(changes.sync, invalid=s.invalid, refused=s.held)
    _show_notes(out, sync, changes)
    _show_sample(out, changes)
    for reason in tripped(sync, s, changes.partition):
        out.print(_text(f"a guard would stop this: {reason}", style="yellow"))


def _show_notes(out: Console, sync: Sync, changes: ChangeSet) -> None:
    from candu_sync.operate import odd_changes

    s = changes.summary
    if s.gone_traits:
        out.print(_text(f"no longer in the model; sent again when they come back: {', '.join(s.gone_traits)}"))
    for name, count in s.not_finite.items():
        out.print(_text(f"{name}: NaN or infinite, taken as null: {counted(count, 'value')}"))
    for note in (odd.sentence for odd in odd_changes(sync, changes, dt.datetime.now(dt.UTC))):
        out.print(_text(note))


def _show_sample(out: Console, changes: ChangeSet) -> None:
    if not changes.summary.sample:
        return
    table = _table("key", "why", "traits")
    for row in changes.summary.sample:
        traits = row["traits"]
        shown = ", ".join(traits) if isinstance(traits, list) else ", ".join(
            f"{name}: {_shown(old)} → {_shown(new)}" for name, (old, new) in traits.items())
        table.add_row(_text(row["key"]), row["op"], _text(shown))
    out.print(table)


def _shown(value: str | None) -> str:
    return "∅" if value is None else value


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table; None is shown as nothing."""
    table = _table(*headings)
    for row in rows:
        table.add_row(*(_text("" if cell is None else str(cell)) for cell in row))
    console().print(table)


def _show_pairs(out: Console, headings: tuple[str, str], pairs: Iterable[tuple[str, int]]) -> None:
    table = _table(*headings, numbers=1)
    for name, count in pairs:
        table.add_row(_text(name), f"{count:,}")
    out.print(table)


def _text(text: str, style: str = "") -> Text:
    """Text from outside: no markup of rich's, and nothing that a terminal obeys."""
    return Text(printable(text), style=style)


def _table(*headings: str, numbers: int = 0) -> Table:
    """A borderless table whose columns after the first, ``numbers`` of them, are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 1 <= index <= numbers else "left", overflow="fold")
    return table


def show_set_aside(sync: str, rows: Sequence[tuple[str | None, SetAside]], style: str) -> None:
    """Rows that are invalid or refused, each with its partition, as a table, as CSV or as JSON lines."""
    if style == "json":
        for partition, row in rows:
            print(json_line({"sync": sync, "partition": partition, **asdict(row)}))  # noqa: T201
    elif style == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(("sync", "partition", "key", "outcome", "reason", "status", "at", "run_id"))
        writer.writerows([csv_cell(cell) for cell in (sync, partition, *asdict(row).values())]
                         for partition, row in rows)
    else:
        show_rows(("partition", "key", "outcome", "reason", "status", "at", "run"),
                  [(partition, *asdict(row).values()) for partition, row in rows])
        counts = Counter(row.outcome for _, row in rows)
        show_next_steps(sync, invalid=counts["invalid"], refused=counts["refused"])
