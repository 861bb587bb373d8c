"""Results as text for people, on stdout."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from candu_sync.changes import ChangeSet, tripped
from candu_sync.commit import RunResult
from candu_sync.naming import named
from candu_sync.operate.maintenance import SetAside
from candu_sync.syncs import Sync

_COUNTS = ("rows", "added", "changed", "removed", "unchanged", "invalid", "messages", "accepted", "rejected", "unsent",
           "requests")
_STYLES = {"succeeded": "green", "failed": "red", "guarded": "yellow"}

# Where stdout is no terminal, nothing may be cut off to fit one.
_WIDE = 200


def console() -> Console:
    """stdout; a pipe or a file gets lines that are not folded."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_WIDE)


def show_results(results: Sequence[RunResult]) -> None:
    """A table of runs: a row a sync and partition."""
    table = _table("sync", *_COUNTS, "seconds", "status", numbers=len(_COUNTS) + 1)
    for r in results:
        counts = [f"{getattr(r, name):,}" for name in _COUNTS]
        status = Text(r.status, style=_STYLES.get(r.status, ""))
        table.add_row(Text(named(r.sync, r.partition)), *counts, f"{sum(r.seconds.values()):.1f}", status)
    console().print(table)


def show_plan(sync: Sync, changes: ChangeSet, *, rate: float, batch_size: int) -> None:
    """A plan: what would be sent, and why."""
    out, s = console(), changes.summary
    title = escape(named(changes.sync, changes.partition))
    out.print(f"[bold]{title}[/bold]: {s.rows:,} rows against {s.snapshot_rows:,} in the "
              f"snapshot (version {changes.base}), read by {changes.path}")
    table = _table("", "rows", numbers=1)
    for name in ("added", "changed", "removed", "unchanged", "invalid", "held"):
        table.add_row(name, f"{getattr(s, name):,}")
    out.print(table)
    requests = -(-s.messages // batch_size)
    wait = f", {requests / rate:,.1f} s at {rate:g} requests a second" if rate else ""
    out.print(f"would send {s.messages:,} messages ({s.bytes:,} bytes) in about {requests:,} requests{wait}")
    if s.traits:
        _show_pairs(out, ("trait", "messages"), s.traits.items())
    if s.reasons:
        _show_pairs(out, ("set aside because", "rows"), s.reasons.items())
    _show_notes(out, changes)
    _show_sample(out, changes)
    for reason in tripped(sync, s):
        out.print(Text(f"a guard would stop this: {reason}", style="yellow"))


def _show_notes(out: Console, changes: ChangeSet) -> None:
    s = changes.summary
    if s.held:
        out.print(f"held: {s.held:,} rows that Candu refused before and that have not changed since "
                  f"(candu-sync rejected {changes.sync})")
    if s.gone_traits:
        out.print(f"no longer in the model, nothing is sent for them: {', '.join(s.gone_traits)}", markup=False)
    for name, count in s.not_finite.items():
        out.print(f"{name}: {count:,} NaN or infinite values are taken as null", markup=False)


def _show_sample(out: Console, changes: ChangeSet) -> None:
    if not changes.summary.sample:
        return
    table = _table("key", "why", "traits")
    for row in changes.summary.sample:
        traits = row["traits"]
        told = ", ".join(traits) if isinstance(traits, list) else ", ".join(
            f"{name}: {_shown(old)} → {_shown(new)}" for name, (old, new) in traits.items())
        table.add_row(Text(row["key"]), row["op"], Text(told))
    out.print(table)


def _shown(value: str | None) -> str:
    return "∅" if value is None else value


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table; None is shown as nothing."""
    table = _table(*headings)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console().print(table)


def _show_pairs(out: Console, headings: tuple[str, str], pairs: Iterable[tuple[str, int]]) -> None:
    table = _table(*headings, numbers=1)
    for name, count in pairs:
        table.add_row(Text(name), f"{count:,}")
    out.print(table)


def _table(*headings: str, numbers: int = 0) -> Table:
    """A borderless table whose columns after the first, ``numbers`` of them, are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 1 <= index <= numbers else "left", overflow="fold")
    return table


def show_set_aside(sync: str, rows: Sequence[tuple[str | None, SetAside]], style: str) -> None:
    """Rows that were set aside, each with its partition, as a table, as CSV or as JSON lines."""
    if style == "json":
        for partition, row in rows:
            print(json.dumps({"sync": sync, "partition": partition, **asdict(row)}, ensure_ascii=False))  # noqa: T201
    elif style == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(("sync", "partition", "key", "reason", "status", "at", "run_id"))
        writer.writerows((sync, partition, *asdict(row).values()) for partition, row in rows)
    else:
        show_rows(("partition", "key", "reason", "status", "at", "run"),
                  [(partition, *asdict(row).values()) for partition, row in rows])
