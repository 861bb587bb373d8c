"""Impacts that send rows again: a trait that is new or made in another way, a model that gives other rows."""

from __future__ import annotations

from collections.abc import Iterator

from candu_sync.dbt import Column, sort_of
from candu_sync.operate.impacts import Compared, Impact

__all__ = ["resent_impacts"]

_MOST_NAMED = 5


def resent_impacts(found: Compared) -> Iterator[Impact]:
    """The impacts. How many rows it is, only a plan against the warehouse says."""
    if found.before is None or found.now.error is not None or found.before.error is not None:
        return
    yield from _new(found)
    typed = list(_types(found))
    yield from typed
    if found.changed:
        yield from _made(found, {impact.column for impact in typed})


def _new(found: Compared) -> Iterator[Impact]:
    assert found.before is not None
    if found.before.columns.why is not None:
        return
    for name, column in found.now.columns.known.items():
        trait = found.trait_of(column.name)
        if trait is None or name in found.before.columns.known:
            continue
        model = next((node.label for node in found.now.nodes if _gained(found, name, node.id)), None)
        adds = f"adds column {column.name} of {model}: " if model else ""
        what = "property" if found.sync.kind == "events" else "trait"
        then = "events that were sent stay as they are" if found.sync.kind == "events" else (
            "each row that has a value is sent again")
        yield found.impact("new_trait", f"{adds}{found.sync.name} gets {what} {trait}: {then}", model=model,
                           column=column.name, trait=trait)


def _gained(found: Compared, name: str, node_id: str) -> bool:
    node = found.manifests.new.manifest.by_id[node_id]
    before = found.manifests.columns_before(node)
    return before is not None and name in found.manifests.columns(node).known and name not in before.known


def _both(found: Compared) -> Iterator[tuple[Column, Column]]:
    """The columns that were there before and are there now."""
    assert found.before is not None
    for name, now in found.now.columns.known.items():
        before = found.before.columns.known.get(name)
        if before is not None and now.name not in found.sync.omit:
            yield before, now


def _types(found: Compared) -> Iterator[Impact]:
    dialect = found.manifests.new.dialect
    for before, now in _both(found):
        was, is_ = sort_of(before.type, dialect), sort_of(now.type, dialect)
        if was and is_ and was != is_:
            model = next((node.label for node in found.now.nodes if node.id in found.manifests.modified), None)
            yield found.impact("type", f"changes column {now.name}{f' of {model}' if model else ''} from "
                               f"{before.type} to {now.type}: {found.sync.name} sends the rows again whose "
                               "value differs; how many is not known", model=model, column=now.name,
                               trait=found.trait_of(now.name))


def _made(found: Compared, typed: set[str | None]) -> Iterator[Impact]:
    """By how rows and values are made. Where that is not known, the SQL that changed is named."""
    assert found.before is not None
    pairs = [(before, now) for before, now in _both(found) if now.name not in typed]
    ids = [now.name for before, now in pairs
           if now.name in found.sync.required_columns and _differ(before.origin, now.origin)]
    traits = [str(found.trait_of(now.name)) for before, now in pairs
              if now.name not in found.sync.required_columns and _differ(before.origin, now.origin)]
    by = f"the change of {_listed([node.label for node in found.changed])}"
    if ids:
        yield found.impact("id", f"{by} makes {_listed(ids)} in another way: {found.sync.name} takes rows with another "
                           "id for new ones, and the old ones for removed", column=ids[0] if len(ids) == 1 else None)
    if _differ(found.before.columns.frame, found.now.columns.frame):
        yield found.impact("rows", f"{by} changes which rows {found.sync.name} finds: rows that come, go or differ are "
                           "sent; how many is not known")
    elif traits:
        yield found.impact("values", f"{by} makes {_listed(traits)} in another way: {found.sync.name} sends the rows "
                           "again whose value differs; how many is not known",
                           trait=traits[0] if len(traits) == 1 else None)
    elif not ids and _in_doubt(found, pairs):
        yield found.impact("sql", f"{by} may change values: {found.sync.name} sends the rows again whose value "
                           "differs; how many is not known")


def _differ(before: str | None, now: str | None) -> bool:
    return before is not None and now is not None and before != now


def _in_doubt(found: Compared, pairs: list[tuple[Column, Column]]) -> bool:
    """Whether it is not known of each row and value that it is made as before."""
    assert found.before is not None
    if any(read.why is None for read in found.now.doubtful):
        return False  # the query fails: nothing is sent
    frames = found.before.columns.frame, found.now.columns.frame
    unsure = any(before.origin is None or now.origin is None for before, now in pairs)
    open_ = found.now.columns.why is not None and found.before.columns.open != found.now.columns.open
    return None in frames or unsure or open_ or (found.now.columns.why is not None and found.now.columns.open is None)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
