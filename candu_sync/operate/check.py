"""Checks of a project without reading a row: models against the warehouse, names, types, and the key against Candu."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from candu_sync.errors import CanduSyncError
from candu_sync.operate.findings import NO_USERS, odd_names, two_senders
from candu_sync.operate.read_twice import read_twice
from candu_sync.project import Project, Target
from candu_sync.rows import Result, Unsendable, ValueKind, as_instants, ids, key_parts, kind_of, trait_columns
from candu_sync.syncs import Catalog, Sync, parameters, partition_to_prepare


@dataclass
class Finding:
    """What was found about one sync: its traits with their kinds, sentences on what is wrong, and on what is odd."""

    sync: str
    traits: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_models(project: Project, syncs: Iterable[Sync], *, twice: bool = False) -> list[Finding]:
    """Each model's columns and types against what its kind needs and Candu takes; the warehouse returns no row.

    Args:
        twice: read each model two times as well, and warn of what differs (see ``read_twice.py``).
    """
    findings = []
    for sync in syncs:
        finding = Finding(sync.name)
        findings.append(finding)
        try:
            _check_model(project, sync, finding)
            if twice and not finding.errors:
                finding.warnings += [f"{target.name}: {sentence}" for target in _some_target(project, sync)
                                     for sentence in read_twice(target)]
        except CanduSyncError as error:
            finding.errors.append(str(error) if sync.name in str(error) else f"{sync.name}: {error}")
    return findings


def check_project(catalog: Catalog, findings: list[Finding]) -> Iterator[tuple[str, bool]]:
    """Sentences on what only shows across syncs, each with whether it is an error."""
    kinds = {sync.kind for sync in catalog.syncs.values()}
    if "events" in kinds and "users" not in kinds:
        yield NO_USERS, False
    senders: dict[str, dict[str, list[str]]] = {}
    for finding in findings:
        kind, traits = catalog.syncs[finding.sync].kind, list(finding.traits)
        if kind != "events":
            before = senders.setdefault(kind, {})
            for odd in two_senders(traits, before):
                yield f"{finding.sync}: {odd.sentence}", odd.severity == "error"
            before[finding.sync] = traits


def _check_model(project: Project, sync: Sync, finding: Finding) -> None:
    schema = project.warehouse.columns(project.model(sync), _any_parameters(project, sync), timezone=sync.timezone,
                                       clock=sync.clock)
    Result(sync, schema.names)
    for column in sync.required_columns:
        try:
            _check_required(sync, column, schema.field(column).type)
        except Unsendable as error:
            finding.errors.append(f"{sync.name}: column {column}: {error}")
    for column, trait in trait_columns(sync, schema.names).items():
        _check_trait(sync, column, trait, schema.field(column).type, finding)
    for odd in odd_names(sync.kind, list(finding.traits)):
        (finding.errors if odd.severity == "error" else finding.warnings).append(f"{sync.name}: {odd.sentence}")


def _check_required(sync: Sync, column: str, type_: object) -> None:
    """Try an empty column of that type: what can be an id, or a time, is written down once, in values.py."""
    import pyarrow as pa

    empty = pa.array([], type_)
    if column == "timestamp" or (sync.cursor is not None and column == sync.cursor.column):
        as_instants(empty)
    elif column in sync.key and column not in ("user_id", "group_id"):
        key_parts(empty)
    else:
        ids(empty)


def _check_trait(sync: Sync, column: str, trait: str, type_: object, finding: Finding) -> None:
    try:
        kind = kind_of(type_)
    except Unsendable as error:
        finding.errors.append(f"{sync.name}: column {column}: {error}")
        return
    finding.traits[trait] = str(kind)
    if trait == "email" and kind not in (ValueKind.TEXT, ValueKind.EMPTY):
        finding.errors.append(f"{sync.name}: email must be text, and is {kind.phrase}")


def _some_target(project: Project, sync: Sync) -> list[Target]:
    """The sync with the newest partition that is due, or one to prepare the model with."""
    due = [target for target in project.targets(sync, []) if not target.ended]
    return due[-1:] or [Target(project, sync, partition_to_prepare(sync, project.warehouse_values))]


def _any_parameters(project: Project, sync: Sync) -> dict[str, str | dt.datetime]:
    """Values to bind so that the query can be prepared."""
    return parameters(sync, partition_to_prepare(sync, project.warehouse_values), None)
