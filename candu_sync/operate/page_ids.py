"""The ids that Candu sees in browsers, compared with those that a sync of users sends.

Those that Candu sees are the result of ``ids.seen``, or of a file. Those that are sent are, by who asks:

    check --ids FILE   the ids of the model, which is read once for each partition that is due
    check              the ids that Candu accepted, by the snapshots of all partitions: no row of the model is read
    plan, Dagster      the same, with the changes that the plan has found laid over them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.changes import ChangeSet, json_text
from candu_sync.dbt import resolve
from candu_sync.due import targets_of
from candu_sync.embedded import arrow_file
from candu_sync.errors import CanduSyncError, ModelError, UsageError
from candu_sync.naming import counted
from candu_sync.operate.finding import Finding
from candu_sync.project import Project
from candu_sync.rows import Result, Trait, Unsendable, ValueKind, ids
from candu_sync.seen_ids import Comparison, Difference, Given, compare_ids, id_column, like_id, read_csv
from candu_sync.snapshot import expose, snapshot_of
from candu_sync.syncs import Sync, parameters
from candu_sync.target import Target

ENOUGH = 0.9
"""The share of the ids that Candu sees, letter for letter, below which there is a warning."""

_Fill = Callable[[duckdb.DuckDBPyConnection, Given], None]


def ids_of_model(project: Project, sync: Sync, file: Path | None = None) -> Comparison:
    """Compare with the ids that the model gives now. The model is read.

    Args:
        file: a CSV in the place of the sync's ``ids``.

    Raises:
        UsageError: there is nothing to compare with, or the file cannot be read.
        ModelError, WarehouseError: the model or ``ids.seen`` cannot be read.
    """
    def fill(connection: duckdb.DuckDBPyConnection, given: Given) -> None:
        for target in targets_of(project, sync, []):
            if not target.ended:
                _add_model(connection, target, given)

    return _compared(project, sync, file, fill)


def ids_of_snapshot(project: Project, sync: Sync, changes: ChangeSet | None = None) -> Comparison | None:
    """Compare with the ids that Candu accepted and that have not left the model; None: the sync has no ``ids``, or
    there are no such ids yet.

    Args:
        changes: of one partition, not pushed yet; its rows count as they will be.

    Raises:
        As ``ids_of_model``; DamagedState: a snapshot cannot be read.

    Example:
        >>> from candu_sync import run
        >>> from candu_sync.syncs import SeenIds
        >>> sync = sync.model_copy(update={"ids": SeenIds(seen="select user_id from people")})
        >>> ids_of_snapshot(project, sync) is None
        True
        >>> result = run(Target(project, sync))
        >>> ids_of_snapshot(project, sync).share
        1.0
    """
    partitions = project.state.partitions(sync.name)
    if sync.ids is None or not (partitions or changes):
        return None

    def fill(connection: duckdb.DuckDBPyConnection, given: Given) -> None:
        for partition in dict.fromkeys([*partitions, *([changes.partition] if changes else [])]):
            mine = changes if changes is not None and changes.partition == partition else None
            # A cursor has views of its own.
            with connection.cursor() as cursor:
                _add_snapshot(cursor, Target(project, sync, partition), given, mine)

    found = _compared(project, sync, None, fill)
    return found if found.given else None


def compared_ids(project: Project, sync: Sync, changes: ChangeSet | None = None, *,
                 file: Path | None = None) -> tuple[Comparison | None, list[Finding]]:
    """The comparison of a sync, and the findings about it. That the ids cannot be read is a finding.

    Args:
        changes: as for ``ids_of_snapshot``.
        file: compare with the model, as ``ids_of_model``; None: with the snapshot.

    Raises:
        UsageError: ``file`` cannot be read.
    """
    if sync.kind != "users" or (file is None and sync.ids is None):
        return None, []
    try:
        found = ids_of_snapshot(project, sync, changes) if file is None else ids_of_model(project, sync, file)
    except CanduSyncError as error:
        if file is not None and isinstance(error, UsageError):
            raise
        return None, [Finding(code="no_seen_ids", sync=sync.name, sentence=(
            f"the ids that Candu sees cannot be compared: {str(error).removeprefix(f'{sync.name}: ')}"))]
    return found, list(about_ids(sync, found))


def about_ids(sync: Sync, found: Comparison | None) -> Iterator[Finding]:
    """The findings about a comparison: nothing where nine of ten ids are equal."""
    if found is None or (found.seen and found.share >= ENOUGH):
        return
    if not found.seen:
        yield Finding(code="no_seen_ids", sync=sync.name, sentence="no id that Candu sees was found: there is nothing "
                      "to compare", advice="Look at the SQL or the file of `ids`")
        return
    yield Finding(code="ids_differ", sync=sync.name, column="user_id", sentence=ids_sentence(found), advice=(
        "What is sent for an id that Candu does not see reaches nobody. Give the ids that your page passes to "
        "`Candu.init`"))
    for difference in found.differences:
        yield Finding(code="ids_differ", sync=sync.name, column=difference.column or "user_id",
                      sentence=_sentence(difference, found.seen), advice=_advice(difference))
    if found.unknown:
        yield Finding(code="ids_differ", sync=sync.name, column="user_id", sentence=(
            f"{counted(found.unknown, 'id')} of {found.seen:,} {'is' if found.unknown == 1 else 'are'} unlike all ids "
            "that are sent"), advice=_about_unknown(found))


def ids_sentence(found: Comparison) -> str:
    """How many ids are equal, for people."""
    return (f"of {counted(found.seen, 'id')} that Candu sees in browsers, {found.equal:,} "
            f"{'is' if found.equal == 1 else 'are'} sent letter for letter ({found.share:.0%})")


def _sentence(difference: Difference, seen: int) -> str:
    examples = ", ".join(f"{theirs} for {ours}" for theirs, ours in difference.examples)
    return (f"{counted(difference.count, 'id')} of {seen:,} {'differs' if difference.count == 1 else 'differ'} "
            f"{difference.words}, like {examples}")


def _advice(difference: Difference) -> str:
    if difference.sql is None:
        return "No SQL of the model makes them equal: correct what the page passes"
    name = "" if difference.sql == "user_id" else " as user_id"
    return f"Write `{difference.sql}{name}` in the model, which mends {difference.mends:,} of {difference.count:,}"


def _about_unknown(found: Comparison) -> str:
    if found.emails == "seen":
        return "The page passes e-mail addresses, the model gives other ids: give both the same"
    if found.emails == "given":
        return "The model gives e-mail addresses, the page passes other ids: give both the same"
    return "They may be people whom the model leaves out"


def _compared(project: Project, sync: Sync, file: Path | None, fill: _Fill) -> Comparison:
    if file is None and sync.ids is None:
        raise UsageError(f"{sync.name}: there are no ids to compare with: give --ids FILE, or `ids` in the YAML")
    with project.engine.use() as connection:
        fill(connection, Given(connection))
        return compare_ids(connection, _seen(project, sync, file), dialect=project.warehouse.dialect)


def _seen(project: Project, sync: Sync, file: Path | None) -> Iterable[pa.Array]:
    if file is not None:
        return read_csv(file)
    assert sync.ids is not None
    if sync.ids.file is not None:
        return read_csv(project.settings.sql_dir / sync.ids.file)
    return _of_warehouse(project, sync, str(sync.ids.seen))


def _of_warehouse(project: Project, sync: Sync, sql: str) -> Iterator[pa.Array]:
    sql = resolve(sql, project.settings.dbt_manifest, path=str(sync.path), sync=sync.name).sql
    with project.warehouse.read(sql, {}, timezone=sync.timezone, tag=sync.name) as reading:
        name = id_column(reading.names, of=f"{sync.name}: ids.seen")
        for batch in reading:
            try:
                yield ids(batch.column(name)).values
            except Unsendable as error:
                raise ModelError(f"{sync.name}: ids.seen: column {name}: {error}") from None


def _add_model(connection: duckdb.DuckDBPyConnection, target: Target, given: Given) -> None:
    project, sync = target.project, target.sync
    with project.warehouse.read(target.model, parameters(sync, target.partition, None), timezone=sync.timezone,
                                clock=sync.clock, tag=sync.name) as reading:
        result = Result(sync, reading.names, declared=reading.declared)
        for batch in result.batches(reading):
            connection.register("rows_of_model", batch)
            there = [(index, trait) for index, trait in enumerate(result.traits) if f"t{index}" in batch.schema.names]
            given.add("rows_of_model WHERE reason IS NULL", _others(sync, there))
            connection.unregister("rows_of_model")


def _add_snapshot(connection: duckdb.DuckDBPyConnection, target: Target, given: Given,
                  changes: ChangeSet | None) -> None:
    snapshot = snapshot_of(target.state, target.state.current(), "users")
    expose(connection, snapshot)
    rows = "snapshot WHERE gone IS NOT TRUE"
    if changes is not None and changes.folder is not None:
        connection.register("changes", arrow_file(changes.file("changes.arrow")))
        rows += " AND key NOT IN (SELECT key FROM changes WHERE key IS NOT NULL)"
        given.add("changes WHERE op <> 'removed'", _others(target.sync, enumerate(changes.traits)),
                  connection=connection)
    given.add(rows, _others(target.sync, enumerate(snapshot.traits)), connection=connection)


def _others(sync: Sync, traits: Iterable[tuple[int, Trait]]) -> dict[str, str]:
    """The columns that may be ids: name, as the model has it → SQL of the value as text."""
    columns = {trait: column for column, trait in sync.rename.items()}
    return {columns.get(trait.name, trait.name): _text(f"t{index}", trait) for index, trait in traits
            if trait.kind in (ValueKind.TEXT, ValueKind.NUMBER) and like_id(trait.name)}


def _text(column: str, trait: Trait) -> str:
    return column if trait.kind is ValueKind.TEXT else json_text(column, trait.kind)
