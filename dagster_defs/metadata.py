"""Change sets and results as Dagster metadata. Numbers stay numbers, so that the UI plots them. There is no value of a
trait in it, unless the sync says ``preview: values``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import MetadataValue, TableColumn, TableMetadataValue, TableRecord, TableSchema

from candu_sync import ChangeSet, RunResult
from candu_sync.changes import backfill_notes, redacted_key
from candu_sync.routes import CANDU
from candu_sync.settings import in_words

Metadata = dict[str, MetadataValue]

# The event log keeps every row of every run's table, and nothing is ever removed from it.
_MOST_TRAITS = 50

# The traits of the model, under the name for which the UI has a page.
COLUMNS = "dagster/column_schema"

# The column types that Dagster's UI knows.
_TYPES = {str: "string", int: "int"}


def changes_metadata(changes: ChangeSet, outlook: Metadata | None = None,
                     invalid: Sequence[Mapping[str, Any]] = (), workspace: str | None = None) -> Metadata:
    """What a plan found, in the order of an asset's page: numbers first, with ``outlook`` among them.

    Args:
        invalid: some of its invalid rows: key and reason.
        workspace: whose settings are named; None: it has no name.
    """
    summary = changes.summary
    names = ("rows", "added", "changed", "removed", "unchanged", "refreshed", "invalid", "messages", "bytes")
    # Of some keys only, it would be plotted as if the model had lost its rows.
    found: Metadata = {} if changes.keys else {"dagster/row_count": MetadataValue.int(summary.rows)}
    found |= _columns(changes)
    found |= {name: MetadataValue.int(getattr(summary, name)) for name in names}
    found |= outlook or {}
    found |= _oddities(changes)
    found |= {"traits": _traits(summary.traits)} if summary.traits else {}
    found |= {"sample": _sample(summary.sample)} if summary.sample else {}
    if invalid:
        found["invalid rows"] = table([{"key": _shown(row["key"]), "why": row["reason"]} for row in invalid])
    found |= _seconds(changes.seconds)
    found |= {"rows read": MetadataValue.int(changes.rows_read), "bytes read": MetadataValue.int(changes.bytes_read)}
    return found | _by(changes.route) | {"read by": MetadataValue.text(in_words(workspace, changes.path)),
                                         "change set": MetadataValue.text(changes.run_id)}


def _by(route: str | None) -> Metadata:
    """The route, where messages do not go to Candu directly."""
    return {} if route in (None, CANDU.name) else {"route": MetadataValue.text(str(route))}


def push_metadata(result: RunResult, workspace: str | None = None) -> Metadata:
    """The result of a push to a workspace; ``bytes`` counts the messages in its requests."""
    names = ("messages", "accepted", "refused", "waiting", "requests", "retries", "bytes", "rows", "added", "changed",
             "removed", "unchanged", "refreshed", "invalid")
    found: Metadata = {name: MetadataValue.int(getattr(result, name)) for name in names}
    found |= {"requests too large": MetadataValue.int(result.too_large)} if result.too_large else {}
    found |= {"traits": _traits(result.traits)} if result.traits else {}
    found |= _seconds({name: result.seconds.get(name, 0.0) for name in ("push", "commit")})
    if result.accepted or result.refused:
        command = f"candu-sync history {result.sync} --run {result.run_id}"
        found["history"] = MetadataValue.text(in_words(workspace, command))
    return found | _by(result.route) | {"change set": MetadataValue.text(result.run_id)}


def history_rows(rows: Sequence[Mapping[str, Any]], *, values: bool) -> TableMetadataValue:
    """Some rows of the history: what Candu was sent of whom, and what it answered.

    Args:
        rows: as ``history.first_rows`` gives them; at least one.
        values: old and new ones, where the history keeps them.
    """
    return table([{"key": shown_key(row["key"]), "outcome": row["outcome"], "why": row["reason"] or "",
                   "traits": _traits_of_row(row["traits"], values=values)} for row in rows])


def _traits_of_row(traits: Mapping[str, list[Any] | None], *, values: bool) -> str:
    return ", ".join(name if pair is None or not values else f"{name}: {_shown(pair[0])} → {_shown(pair[1])}"
                     for name, pair in traits.items())


def shown_key(key: str | None) -> str:
    """A row's key without an e-mail address in it; a dash where it has none."""
    return "–" if key is None else redacted_key(key)


def _seconds(seconds: Mapping[str, float]) -> Metadata:
    """One number to plot, and the phases in words."""
    phases = ", ".join(f"{phase} {took:.3f}" for phase, took in seconds.items())
    return {"seconds": MetadataValue.float(round(sum(seconds.values()), 3)),
            "seconds by phase": MetadataValue.text(phases)}


def _oddities(changes: ChangeSet) -> Metadata:
    """What a person should see, and what most runs do not have."""
    found: Metadata = {}
    if changes.full:
        found["full"] = MetadataValue.bool(True)
    if changes.keys:
        found["only the rows with these keys"] = MetadataValue.int(changes.summary.keys)
        if changes.summary.missing_keys:
            found["keys that no row has"] = MetadataValue.int(len(changes.summary.missing_keys))
    if changes.summary.held:
        found["refused before"] = MetadataValue.int(changes.summary.held)
    if changes.summary.new_traits:
        found["new traits"] = MetadataValue.text("; ".join(backfill_notes(changes.summary.new_traits)))
    if changes.summary.gone_traits:
        found["traits that the model no longer gives"] = MetadataValue.text(", ".join(changes.summary.gone_traits))
    if changes.summary.not_finite:
        counts = [{"trait": name, "values": count} for name, count in changes.summary.not_finite.items()]
        found["NaN or infinite, taken as null"] = table(counts[:_MOST_TRAITS])
    if changes.summary.noise:
        found["noise"] = _noise(changes.summary.noise)
    return found


def _noise(noise: Mapping[str, Mapping[str, int]]) -> TableMetadataValue:
    """A row for each sign and trait, the signs as ``candu_sync.changes.noise`` names them."""
    rows = [{"sign": sign.replace("_", " "), "trait": name, "changes": count}
            for sign, counts in noise.items() for name, count in counts.items()]
    return table(rows[:_MOST_TRAITS])


def column_type(kind: str) -> str:
    """A trait's kind as a type that Dagster's UI has an icon for."""
    return "timestamp" if kind == "instant" else kind


def _columns(changes: ChangeSet) -> Metadata:
    """The traits that the model gives, with their kinds; of one that changed its kind, the newest."""
    kinds = {trait.name: str(trait.kind) for trait in changes.sent_traits}
    columns = [TableColumn(name, column_type(kind)) for name, kind in kinds.items()]
    return {COLUMNS: MetadataValue.table_schema(TableSchema(columns))} if columns else {}


def _traits(traits: Mapping[str, int]) -> TableMetadataValue:
    """Trait → messages that carry it, the most frequent first."""
    rows: list[dict[str, str | int]] = [{"trait": name, "messages": count} for name, count in traits.items()]
    if len(rows) > _MOST_TRAITS:
        rest = rows[_MOST_TRAITS - 1:]
        rows[_MOST_TRAITS - 1:] = [{"trait": f"and {len(rest)} more", "messages": sum(traits.values()) - sum(
            int(row["messages"]) for row in rows[:_MOST_TRAITS - 1])}]
    return table(rows)


def _sample(sample: list[dict[str, Any]]) -> TableMetadataValue:
    return table([{"key": row["key"], "change": row["op"], "traits": _changed_traits(row["traits"])} for row in sample])


def _changed_traits(traits: list[str] | dict[str, list[str | None]]) -> str:
    """``plan, seats``; with ``preview: values``: ``plan: free → pro, seats: 5 → 6``."""
    if isinstance(traits, list):
        return ", ".join(traits)
    return ", ".join(f"{name}: {_shown(before)} → {_shown(after)}" for name, (before, after) in traits.items())


def _shown(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # as a message has it
    return "–" if value is None else str(value)


def table(rows: list[dict[str, Any]]) -> TableMetadataValue:
    """A table of rows that all have the same columns, of str and int; at least one row."""
    columns = [TableColumn(name, _TYPES[type(value)]) for name, value in rows[0].items()]
    return MetadataValue.table([TableRecord(row) for row in rows], TableSchema(columns))
