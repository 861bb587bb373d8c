"""A plan on stdout, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from candu_sync.cli.common import in_words
from candu_sync.cli.tables import empty_table, show_next_steps, text_of
from candu_sync.naming import counted, named
from candu_sync.routes import CANDU
from candu_sync.terminal import console, json_line, printable

if TYPE_CHECKING:
    from candu_sync.changes import ChangeSet
    from candu_sync.operate import Finding
    from candu_sync.target import Target


def requests_of(target: Target, changes: ChangeSet) -> tuple[int, float | None]:
    """About how many requests the changes take, and how many seconds at ``CANDU_RATE``; None: there is no limit."""
    settings = target.project.settings
    summary = changes.summary
    requests = target.project.destinations.requests(target.route, changes.kind, summary.messages, summary.bytes)
    return requests, round(requests / settings.rate, 1) if settings.rate else None


def show_plan(target: Target, changes: ChangeSet, guard: Sequence[str], rows: Sequence[dict[str, Any]],
              findings: Sequence[Finding]) -> None:
    """A plan: what would be sent, and why, and what was found to be wrong or odd.

    Args:
        guard: what the sync's guard has against it.
        rows: some of its rows, as ``example_rows`` or the summary's sample has them.
    """
    from candu_sync.changes import backfill_notes

    out, s = console(), changes.summary
    title = Text(printable(named(changes.sync, changes.partition)), style="bold")
    read = f"read by {in_words(changes.path)}" if s.ended_rows is None else (
        "the model is not read, since this is no longer a partition of the sync")
    if changes.rows_read < s.rows and s.ended_rows is None:
        read += f": {counted(changes.rows_read, 'row')} and {changes.bytes_read:,} bytes came from the warehouse"
    out.print(title.append(f": {counted(s.rows, 'row')} against {s.snapshot_rows:,} in the snapshot "
                           f"(version {changes.base}), {read}", style="not bold"))
    table = empty_table("", "rows", numbers=1)
    refreshed = [("unchanged, sent again by `refresh`", s.refreshed)] if changes.refresh is not None else []
    for name, count in (("added", s.added), ("changed", s.changed), ("removed", s.removed),
                        ("unchanged", s.unchanged), *refreshed, ("invalid", s.invalid), ("refused", s.held)):
        table.add_row(name, f"{count:,}")
    out.print(table)
    requests, seconds = requests_of(target, changes)
    wait = "" if seconds is None else f", {seconds:,.1f} s at {target.project.settings.rate:g} requests a second"
    out.print(f"would send {counted(s.messages, 'message')} ({s.bytes:,} bytes) in about "
              f"{counted(requests, 'request')}{wait}{'' if target.route is CANDU else f', {target.route.way}'}")
    for note in backfill_notes(s.new_traits):
        out.print(text_of(note))
    if s.traits:
        _show_pairs(out, ("trait", "messages"), s.traits.items())
    if s.reasons:
        _show_pairs(out, ("invalid because", "rows"), s.reasons.items())
    show_next_steps(changes.sync, invalid=s.invalid, refused=s.held)
    _show_notes(out, changes)
    for found in findings:
        out.print(text_of(found.text, style="red" if found.severity == "error" else ""))
    _show_sample(out, rows)
    for reason in guard:
        out.print(text_of(f"a guard would stop this: {reason}", style="yellow"))


def _show_notes(out: Console, changes: ChangeSet) -> None:
    s = changes.summary
    if s.gone_traits:
        out.print(text_of(f"no longer in the model; sent again when they come back: {', '.join(s.gone_traits)}"))
    if s.forgotten:
        out.print(f"left out, since the person is forgotten (candu-sync forget --undo): {counted(s.forgotten, 'row')}")
    for name, count in s.not_finite.items():
        out.print(text_of(f"{name}: NaN or infinite, taken as null: {counted(count, 'value')}"))


def _show_sample(out: Console, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = empty_table("key", "why", "message" if any("message" in row for row in rows) else "traits")
    for row in rows:
        table.add_row(text_of(row["key"] or ""), row["op"], text_of(_content(row)))
    out.print(table)


def _content(row: dict[str, Any]) -> str:
    """What is sent for a row, or why nothing is."""
    if "reason" in row:
        return str(row["reason"])
    if "message" in row:
        return "nothing is sent" if row["message"] is None else json_line(row["message"])
    traits = row["traits"]
    if traits is None:
        return "nothing is sent"
    return ", ".join(traits) if isinstance(traits, list) else ", ".join(
        f"{name}: {_shown(old)} → {_shown(new)}" for name, (old, new) in traits.items())


def _shown(value: str | None) -> str:
    return "∅" if value is None else value


def _show_pairs(out: Console, headings: tuple[str, str], pairs: Iterable[tuple[str, int]]) -> None:
    table = empty_table(*headings, numbers=1)
    for name, count in pairs:
        table.add_row(text_of(name), f"{count:,}")
    out.print(table)
