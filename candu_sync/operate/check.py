"""Checks of a project without reading a row: models against the warehouse, names, types, and the key against Candu."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from candu_sync.errors import CanduSyncError
from candu_sync.operate.read_twice import read_twice
from candu_sync.project import Project, Target
from candu_sync.rows import Result, Unsendable, ValueKind, as_instants, ids, key_parts, kind_of, trait_columns
from candu_sync.syncs import Catalog, Sync, parameters, partition_to_prepare

# Longer names, or more traits, work as far as is known; no tool that shows them will be pleased (docs/candu.md).
# "What is not published, and what we assume").
LONG_TRAIT = 150
MANY_TRAITS = 300


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
        yield ("there are events but no sync of users: Candu builds segments from the traits of users, events alone "
               "are not enough"), False
    senders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for finding in findings:
        sync = catalog.syncs[finding.sync]
        for trait in finding.traits if sync.kind != "events" else ():
            senders[sync.kind, trait].append(sync.name)
    for (kind, trait), names in senders.items():
        if len(names) > 1:
            yield (f"{' and '.join(names)} both send the trait {trait} of {kind}: the last to run wins. Leave it in "
                   "one, `omit` or `rename` it in the other"), True


def _check_model(project: Project, sync: Sync, finding: Finding) -> None:
    schema = project.warehouse.columns(project.model(sync), _any_parameters(project, sync))
    Result(sync, schema.names)
    for column in sync.required_columns:
        try:
            _check_required(sync, column, schema.field(column).type)
        except Unsendable as error:
            finding.errors.append(f"{sync.name}: column {column}: {error}")
    for column, trait in trait_columns(sync, schema.names).items():
        _check_trait(sync, column, trait, schema.field(column).type, finding)
    if len(finding.traits) > MANY_TRAITS:
        finding.warnings.append(f"{sync.name} sends {len(finding.traits)} traits, over {MANY_TRAITS}")


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
    if trait.lower() == "email" and trait != "email":
        finding.warnings.append(f"{sync.name}: the trait {trait} is not Candu's email, which is all lowercase: "
                                f"`rename: {{{trait}: email}}`")
    if trait != trait.strip():
        finding.warnings.append(f"{sync.name}: the trait {trait!r} begins or ends with a space")
    if len(trait.encode()) > LONG_TRAIT:
        finding.warnings.append(f"{sync.name}: the trait {trait[:40]}… has a name over {LONG_TRAIT} bytes")


def _some_target(project: Project, sync: Sync) -> list[Target]:
    """The sync with the newest partition that is due, or one to prepare the model with."""
    due = project.targets(sync, [])
    return due[-1:] or [Target(project, sync, partition_to_prepare(sync, project.warehouse_values))]


def _any_parameters(project: Project, sync: Sync) -> dict[str, str | dt.datetime]:
    """Values to bind so that the query can be prepared."""
    return parameters(sync, partition_to_prepare(sync, project.warehouse_values), None)
