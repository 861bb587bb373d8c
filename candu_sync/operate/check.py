"""Checks of a project without reading a row: models against the warehouse, names, types, and the key against Candu.

Rows are read only where a person asks for it: ``--twice``, and ids for a file of those that Candu sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from candu_sync.dbt import resolve_sync
from candu_sync.due import targets_of
from candu_sync.errors import CanduSyncError, OtherRoute, PreconditionFailed
from candu_sync.operate.finding import Finding
from candu_sync.operate.findings import about_others, about_traits
from candu_sync.operate.other_syncs import OtherSyncs, removed_traits
from candu_sync.operate.own_events import about_own_events
from candu_sync.operate.page_ids import compared_ids
from candu_sync.operate.read_twice import read_twice
from candu_sync.operate.sql_findings import about_sql
from candu_sync.project import Project
from candu_sync.rows import Result, Unsendable, ValueKind, as_instants, ids, key_parts, kind_of, trait_columns
from candu_sync.seen_ids import Comparison
from candu_sync.syncs import Catalog, Sync, parameters, partition_to_prepare
from candu_sync.target import Target


@dataclass
class ModelCheck:
    """What a check found about one sync.

    Attributes:
        sync: the sync's name.
        traits: trait → its kind, like ``text``; {}: the model cannot be read.
        ids: how its ids compare with those that Candu sees; None: they were not compared.
        findings: what is wrong or odd.
    """

    sync: str
    traits: dict[str, str] = field(default_factory=dict)
    ids: Comparison | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """A sentence for each error, with the sync's name."""
        return [found.named for found in self.findings if found.severity == "error"]

    @property
    def warnings(self) -> list[str]:
        """A sentence for each warning, with the sync's name."""
        return [found.named for found in self.findings if found.severity == "warning"]

    def to_json(self) -> dict[str, Any]:
        """The object that ``check --json`` prints."""
        return {"sync": self.sync, "traits": self.traits, "errors": self.errors, "warnings": self.warnings,
                "findings": [found.to_json() for found in self.findings],
                "ids": None if self.ids is None else self.ids.to_json()}


def check_models(project: Project, catalog: Catalog, syncs: Iterable[Sync], *, twice: bool = False,
                 ids: Path | None = None) -> list[ModelCheck]:
    """Check each model's columns and types against what its kind needs and Candu takes; the warehouse returns no row of
    a model.

    Args:
        catalog: all syncs of the project. Those that are not checked count with what they sent.
        syncs: those to check.
        twice: read each model two times as well, and warn of what differs (see ``read_twice.py``).
        ids: a CSV of the ids that Candu sees; models of users are read, and their ids compared with it. None: syncs
            with ``ids`` compare those that Candu accepted.

    Returns:
        One for each sync. An error of a model is a finding: nothing is raised for it.

    Example:
        >>> from candu_sync import load_syncs
        >>> catalog = load_syncs(project.settings.sql_dir)
        >>> [found] = check_models(project, catalog, catalog.syncs.values())
        >>> found.sync, found.traits, found.findings
        ('users/profile', {'plan': 'text'}, [])
    """
    others, checked = OtherSyncs(project, catalog), []
    for sync in syncs:
        found = _checked(project, sync, twice=twice)
        if not found.errors:
            found.ids, odd = compared_ids(project, sync, file=ids)
            found.findings += odd
        checked.append((sync, found))
        if found.traits:
            others.learn(sync, _sent(sync, found))
    for sync, found in checked:
        found.findings += about_others(sync, _sent(sync, found), others)
    return [found for _, found in checked]


def _sent(sync: Sync, found: ModelCheck) -> list[str]:
    return [*found.traits, *removed_traits(sync)]


def _checked(project: Project, sync: Sync, *, twice: bool) -> ModelCheck:
    found = ModelCheck(sync.name)
    try:
        found.findings += _preconditions(project, sync)
        found.findings += _check_model(project, sync, found.traits)
        found.findings += _about_route(project, sync)
        if twice and not found.errors:
            found.findings += (odd for target in _some_target(project, sync) for odd in read_twice(target))
    except CanduSyncError as error:
        found.findings.append(Finding(code="model", sync=sync.name,
                                      sentence=str(error).removeprefix(f"{sync.name}: ")))
    return found


def _about_route(project: Project, sync: Sync) -> Iterator[Finding]:
    """The first partition whose snapshot has what was sent by another route."""
    for partition in project.state.partitions(sync.name):
        target = Target(project, sync, partition)
        version = target.state.newest()
        try:
            if version is not None:
                target.check_route(version)
        except OtherRoute as error:
            yield Finding(code="other_route", sync=sync.name, partition=partition,
                          sentence=str(error).removeprefix(f"{target.name}: "))
            return


def _preconditions(project: Project, sync: Sync) -> Iterator[Finding]:
    try:
        project.check_preconditions(sync)
    except PreconditionFailed as error:
        yield Finding(code="precondition", sync=sync.name, sentence=str(error).removeprefix(f"{sync.name}: "))


def _check_model(project: Project, sync: Sync, traits: dict[str, str]) -> Iterator[Finding]:
    """Yields what is wrong or odd, and adds the traits with their kinds."""
    # Not ``project.model``: the columns are checked also where a precondition fails.
    sql = resolve_sync(sync, project.settings.dbt_manifest).sql
    target = Target(project, sync, _partition(project, sync))
    schema = project.warehouse.columns(target.of_shard(sql), parameters(sync, target.partition, None),
                                       timezone=sync.timezone, clock=sync.clock, tag=sync.name)
    Result(sync, schema.names)
    for column in sync.required_columns:
        try:
            _check_required(sync, column, schema.field(column).type)
        except Unsendable as error:
            yield _unsendable(sync, column, error)
    for column, trait in trait_columns(sync, schema.names).items():
        try:
            traits[trait] = str(kind_of(schema.field(column).type))
        except Unsendable as error:
            yield _unsendable(sync, column, error)
    yield from about_sql(sync, sql, traits, project.warehouse.dialect)
    yield from about_own_events(sync, sql, traits, project.warehouse.dialect)
    yield from about_traits(sync, traits | dict.fromkeys(set(removed_traits(sync)) - {*traits}, ValueKind.EMPTY))


def _unsendable(sync: Sync, column: str, error: Unsendable) -> Finding:
    return Finding(code="unsendable", sync=sync.name, column=column, sentence=f"column {column}: {error}")


def _check_required(sync: Sync, column: str, type_: object) -> None:
    """Try an empty column of that type. The rules for ids and times are in the room ``rows``."""
    import pyarrow as pa

    empty = pa.array([], type_)
    if column == "timestamp" or (sync.cursor is not None and column == sync.cursor.column):
        as_instants(empty)
    elif column in sync.key and column not in ("user_id", "group_id"):
        key_parts(empty)
    else:
        ids(empty)


def _some_target(project: Project, sync: Sync) -> list[Target]:
    """The sync with the newest partition that is due, or one to prepare the model with."""
    due = [target for target in targets_of(project, sync, []) if not target.ended]
    return due[-1:] or [Target(project, sync, _partition(project, sync))]


def _partition(project: Project, sync: Sync) -> str | None:
    return partition_to_prepare(sync, partial(project.warehouse_values, tag=sync.name))
