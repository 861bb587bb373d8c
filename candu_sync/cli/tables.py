"""Results on stdout: as tables for people, as CSV or as JSON lines."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from candu_sync.cli.common import NOT_RUN, in_words
from candu_sync.naming import named, shortened
from candu_sync.routes import CANDU, ROUTES
from candu_sync.terminal import console, csv_cell, json_line, printable

if TYPE_CHECKING:
    from candu_sync.commit import RunResult
    from candu_sync.operate import SetAside
    from candu_sync.target import Target

_COUNTS = ("rows", "added", "changed", "removed", "unchanged", "refreshed", "invalid", "messages", "accepted",
           "refused", "waiting", "requests")

# Counts that most runs do not have: their column is there when one of the runs has them.
_RARE = ("refreshed",)

# Characters of a reason in a table. JSON and CSV have all of it.
_LONGEST_REASON = 300

_STYLES = {"succeeded": "green", "failed": "red", "guarded": "yellow"}

# Between two columns of a table.
_GAP = "  "

# Partitions of a sync that have a line each although there was nothing to do in them.
_UNCHANGED_SHOWN = 20


def show_results(results: Sequence[RunResult]) -> None:
    """A table of runs: a row a sync and partition. Many partitions of a sync without anything to do share one row.
    Without any run there is no table."""
    from candu_sync.changes import backfill_notes, noise_notes

    if not results:
        return
    names = [name for name in _COUNTS if name not in _RARE or any(getattr(r, name) for r in results)]
    rows = []
    for name, runs in _lines(results):
        counts = [f"{sum(getattr(r, count) for r in runs):,}" for count in names]
        ended = "not run" if runs[0].error == NOT_RUN else runs[0].status
        status = Text(ended, style=_STYLES.get(ended, ""))
        seconds = sum(sum(r.seconds.values()) for r in runs)
        rows.append((text_of(name), *(Text(count) for count in counts), Text(f"{seconds:.1f}"), status))
    _show_table(("sync", *names, "seconds", "status"), rows, numbers=len(names) + 1)
    _show_routes(results)
    for r in results:
        for note in (*r.identity_changes, *backfill_notes(r.new_traits), *noise_notes(r)):
            console().print(text_of(in_words(f"{named(r.sync, r.partition)}: {note}")))
    of = {r.sync for r in results if r.invalid or r.refused or r.waiting}
    # What a guard stopped does not go with the next run: its sentence says what to do.
    waiting = sum(r.waiting for r in results if r.status != "guarded")
    show_next_steps(of.pop() if len(of) == 1 else "SYNC", invalid=sum(r.invalid for r in results),
                    refused=sum(r.refused for r in results), waiting=waiting)


def _show_routes(results: Sequence[RunResult]) -> None:
    """A line for each route but the direct one."""
    everything = {r.sync for r in results}
    for route in sorted({r.route for r in results if r.route is not None and r.route != CANDU.name}):
        by = {r.sync for r in results if r.route == route}
        who = "all messages go" if by == everything else f"the messages of {', '.join(sorted(by))} go"
        console().print(text_of(f"{who} {ROUTES[route].way}"))


def _lines(results: Sequence[RunResult]) -> Iterator[tuple[str, list[RunResult]]]:
    """The names of the table's rows, each with the runs whose counts it adds up."""
    unchanged: dict[str, list[RunResult]] = {}
    for r in results:
        if _is_unchanged(r):
            unchanged.setdefault(r.sync, []).append(r)
    for r in results:
        together = unchanged.get(r.sync, [])
        if len(together) <= _UNCHANGED_SHOWN or not _is_unchanged(r):
            yield named(r.sync, r.partition), [r]
        elif r is together[0]:
            yield f"{r.sync} ({len(together):,} partitions)", together


def _is_unchanged(r: RunResult) -> bool:
    return r.status == "succeeded" and r.unchanged == r.rows and not (r.messages or r.removed or r.waiting or r.refused)


def show_next_steps(sync: str, *, invalid: int, refused: int, waiting: int = 0) -> None:
    """A line for each sort of rows that were not accepted: what happens next."""
    from candu_sync.operate import next_steps

    for step in next_steps(sync, invalid=invalid, refused=refused, waiting=waiting):
        console().print(text_of(in_words(step)))


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table; None is shown as nothing."""
    _show_table(headings, [[text_of("" if cell is None else str(cell)) for cell in row] for row in rows])


def _show_table(headings: Sequence[str], rows: Iterable[Sequence[Text]], *, numbers: int = 0) -> None:
    """A table as ``empty_table`` lays it out. Where no cell is folded, the lines are put together here: rich takes
    longer for a thousand of them than the runs that they are of."""
    screen = console()
    lines = [[Text(heading, style="bold") for heading in headings], *rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) <= screen.width:
        right = range(1, numbers + 1)
        screen.print(Text("\n").join(_line(cells, widths, right) for cells in lines), soft_wrap=True)
        return
    table = empty_table(*headings, numbers=numbers)
    for cells in lines[1:]:
        table.add_row(*cells)
    screen.print(table)


def _line(cells: Sequence[Text], widths: Sequence[int], right: Container[int]) -> Text:
    """One line of a table. ``right``: the columns that are aligned to the right."""
    line = Text()
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - cell.cell_len)
        if index:
            line.append(_GAP)
        if index in right:
            line.append(space)
        line.append(cell.plain, style=cell.style or None)
        if index not in right:
            line.append(space)
    return line


def short_reason(reason: str) -> str:
    """A reason for a table: it may have up to 2 KB of Candu's words."""
    return shortened(reason, _LONGEST_REASON)


def text_of(text: str, style: str = "") -> Text:
    """Text from outside, without markup of rich and without control sequences of a terminal."""
    return Text(printable(text), style=style)


def empty_table(*headings: str, numbers: int = 0) -> Table:
    """A borderless table whose columns after the first, ``numbers`` of them, are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 1 <= index <= numbers else "left", overflow="fold")
    return table


def show_set_aside(rows: Sequence[tuple[Target, SetAside]], style: str) -> None:
    """Rows that are invalid or refused, each with where it belongs, as a table, as CSV or as JSON lines."""
    if style == "json":
        for target, row in rows:
            print(json_line({**_where(target), **asdict(row)}))  # noqa: T201
    elif style == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(("sync", "partition", "key", "outcome", "reason", "status", "at", "run_id"))
        writer.writerows([csv_cell(cell) for cell in (*_where(target).values(), *asdict(row).values())]
                         for target, row in rows)
    else:
        _show_set_aside(rows)


def _show_set_aside(rows: Sequence[tuple[Target, SetAside]]) -> None:
    syncs = {target.sync.name for target, _ in rows}
    found = [(*_where(target).values(), *asdict(replace(row, reason=short_reason(row.reason))).values())
             for target, row in rows]
    columns = ("sync", "partition", "key", "outcome", "reason", "status", "at", "run")
    left_out = 0 if len(syncs) > 1 else 1
    show_rows(columns[left_out:], [row[left_out:] for row in found])
    counts = Counter(row.outcome for _, row in rows)
    show_next_steps(syncs.pop() if len(syncs) == 1 else "SYNC", invalid=counts["invalid"], refused=counts["refused"])


def _where(target: Target) -> dict[str, str | None]:
    return {"sync": target.sync.name, "partition": target.partition}

