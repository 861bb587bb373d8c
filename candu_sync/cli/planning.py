"""A command that reads models and shows what would be sent: plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.cli.common import (
    Full,
    Jobs,
    Json,
    Partitions,
    complain,
    finish,
    opened_project,
    point_out_rename,
    print_lines,
    say,
)
from candu_sync.cli.each import each_of, no_report, print_failed
from candu_sync.cli.keys import Keys, NamedKeys
from candu_sync.cli.selection import All, Exclude, Failed, Names, Selection, Tags, select
from candu_sync.errors import UsageError
from candu_sync.naming import as_arguments

if TYPE_CHECKING:

    from candu_sync.changes import ChangeSet
    from candu_sync.cli.crew import Shown
    from candu_sync.errors import GuardTripped
    from candu_sync.operate import Finding
    from candu_sync.target import Target

_LIMIT = 5


@dataclass(frozen=True)
class _Wanted:
    """Which rows a plan shows: of which sorts, how many of each, with values or without."""

    only: tuple[str, ...]
    limit: int | None
    values: bool

    def rows(self, target: Target, changes: ChangeSet, *, staged: bool) -> list[dict[str, Any]]:
        """Rows of the sorts that are wanted; the plan's own sample where nothing was asked for."""
        from candu_sync.changes import SORTS
        from candu_sync.operate import preview_rows

        if not self.only and self.limit is None and not self.values:
            return changes.summary.sample
        return preview_rows(target, changes, staged=staged, sorts=self.only or SORTS,
                            limit=_LIMIT if self.limit is None else self.limit, values=self.values)


def plan(names: Names = None, partition: Partitions = None, full: Full = False, everything: All = False,
         tag: Tags = None, exclude: Exclude = None, failed: Failed = False, key: Keys = None,
         values: Annotated[bool, typer.Option(
             "--values", help="Show rows as they would be sent, with their values, which are personal data.")] = False,
         limit: Annotated[int | None, typer.Option(
             "--limit", min=1, metavar="N", help="So many rows of each sort.")] = None,
         only: Annotated[list[str] | None, typer.Option(
             "--only", metavar="SORT", help="Rows of this sort: added, changed, removed, unchanged, refreshed or "
                                            "invalid; may be given several times.")] = None,
         save: Annotated[bool, typer.Option(
             "--save", help="Stage what is shown: `push` then sends that, and nothing else.")] = False,
         exit_code: Annotated[bool, typer.Option(
             "--exit-code", help="End with 3 where a guard would stop the run.")] = False,
         jobs: Jobs = 1, as_json: Json = False) -> None:
    """What a run would send, and why. Sends nothing, changes nothing that a run would see."""
    from candu_sync import pipeline
    from candu_sync.changes import discard
    from candu_sync.cli.plan_table import show_plan
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.operate import OtherSyncs, compared_ids, findings_of

    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed, everything=everything)
    asked.require("plan")
    wanted, keys = _Wanted(_sorts(only), limit, values), NamedKeys(key)
    with opened_project(jobs=jobs) as (project, catalog), signals(project, complain):
        selected = select(project, catalog, asked)
        others = OtherSyncs(project, catalog)
        pointed_out: set[str] = set()

        def act(target: Target) -> Shown:
            point_out_rename(project, target.sync, pointed_out)
            with progress(target.name, alone=jobs == 1) as show:
                return partial(shown, target, pipeline.plan(target, full=full, keep=save, keys=keys.all, progress=show))

        def shown(target: Target, changes: ChangeSet) -> int:
            keys.note(changes.summary.missing_keys)
            try:
                tripped = pipeline.guard(target, changes)
                rows = wanted.rows(target, changes, staged=save)
                ids, about_ids = compared_ids(project, target.sync, changes)
                findings = [*findings_of(target, changes, others), *about_ids]
            finally:
                if not save:
                    discard(changes)
            if as_json:
                print_lines([_as_json(target, changes, tripped, rows, findings)
                             | {"ids": None if ids is None else ids.to_json()}])
            else:
                show_plan(target, changes, tripped.reasons if tripped else [], rows, findings)
            if save and not as_json:
                say(_staged(target, tripped))
            return tripped.exit_code if tripped is not None and exit_code else 0

        codes = each_of(selected, act, print_failed if as_json else no_report)
        codes += keys.codes(project)
    finish(codes)


def _staged(target: Target, tripped: GuardTripped | None) -> str:
    """What becomes of a plan that was staged."""
    push = f"candu-sync push {as_arguments(target.sync.name, target.partition)}"
    if tripped is None:
        return f"staged: `{push}` sends this, and nothing else"
    return f"staged: `{push} --allow {','.join(tripped.guards)}` sends this past the guard, and nothing else"


def _sorts(only: list[str] | None) -> tuple[str, ...]:
    from candu_sync.changes import SORTS
    from candu_sync.suggestions import did_you_mean

    for sort in only or ():
        if sort not in SORTS:
            raise UsageError(f"--only {sort}{did_you_mean(sort, SORTS)} (there are: {', '.join(SORTS)})")
    return tuple(only or ())


def _as_json(target: Target, changes: ChangeSet, tripped: GuardTripped | None,
             rows: list[dict[str, Any]], findings: list[Finding]) -> dict[str, Any]:
    """The result of a plan, and: sample (rows), estimate (bytes, requests, and seconds at ``CANDU_RATE``; null: there
    is no limit), findings."""
    from candu_sync.cli.plan_table import requests_of
    from candu_sync.commit import result_of

    requests, seconds = requests_of(target, changes)
    result = result_of(changes, "planned", guard=tripped.reasons if tripped else ())
    return result.to_json() | {"sample": rows, "estimate": {
        "bytes": changes.summary.bytes, "requests": requests, "seconds": seconds},
        "findings": [found.to_json() for found in findings]}
