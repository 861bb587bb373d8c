"""Impacts that a sync's columns show: a query that fails, a trait that is lost, a key that no longer is one; and where
the manifest does not show the columns."""

from __future__ import annotations

from collections.abc import Iterator

from candu_sync.dbt import Columns, Node, Read, without_contract
from candu_sync.errors import ModelError
from candu_sync.operate.impacts import Compared, Impact
from candu_sync.rows import Result
from candu_sync.syncs import Sync

__all__ = ["column_impacts"]


def column_impacts(found: Compared) -> Iterator[Impact]:
    """The impacts, the gravest first."""
    if found.now.error is not None:
        sentence = f"{found.sync.name} cannot run: {found.now.error}"
        already = found.before is not None and found.before.error is not None
        yield _already(found, sentence) if already else found.impact("unresolved", sentence)
        return
    yield from _relations(found)
    yield from _missing(found)
    yield from _other_meaning(found)
    yield from _refused(found)
    yield from _lost(found)
    yield from _keys(found)
    yield from _preconditions(found)
    yield from _not_known(found)


def _already(found: Compared, sentence: str) -> Impact:
    """What the change is not to blame for."""
    return found.impact("broken_before", f"by the other manifest as well: {sentence}")


def _relations(found: Compared) -> Iterator[Impact]:
    """Tables that the SQL names without ref, and that were dbt's before."""
    for name in found.now.strangers if found.before else ():
        if found.before and name not in found.before.strangers:
            yield found.impact("relation", f"the table {name} is no dbt model's any more: the SQL of {found.sync.name} "
                               "names it (a ref would follow it)")


def _missing(found: Compared) -> Iterator[Impact]:
    before = {(read.column.casefold(), read.source) for read in found.before.doubtful
              if read.why is None} if found.before else set()
    for read in found.now.doubtful:
        if read.why is not None:
            continue
        of = f"{read.source}.{read.column}" if read.source else read.column
        nowhere = f"the SQL of {found.sync.name} reads column {of}, which no model that it reads has: its query fails"
        if (read.column.casefold(), read.source) in before:
            yield _already(found, nowhere)
            continue
        removed = list(found.removals(read.column))
        for node, renamed in removed:
            yield found.impact("missing_column", f"removes column {read.column} of {node.label}: the SQL of "
                               f"{found.sync.name} reads it, and its query fails{_perhaps(renamed)}",
                               model=node.label, column=read.column)
        if not removed:
            yield found.impact("missing_column", nowhere, column=read.column)


def _other_meaning(found: Compared) -> Iterator[Impact]:
    """A name in an inner query that meant a column of a model, and means one of the outer query without it."""
    for name in sorted(found.now.of_outer - found.before.of_outer) if found.before else ():
        for node, renamed in found.removals(name):
            yield found.impact("missing_column", f"removes column {name} of {node.label}: an inner query of "
                               f"{found.sync.name} reads it, and the name means a column of the outer one now"
                               f"{_perhaps(renamed)}", model=node.label, column=name)


def _perhaps(renamed: str | None) -> str:
    return f" (was it renamed to {renamed}?)" if renamed else ""


def _refused(found: Compared) -> Iterator[Impact]:
    """What ``check`` would say of the result's columns."""
    now = _refusal(found.sync, found.now.columns)
    if now is None:
        return
    if found.before is not None and now == _refusal(found.sync, found.before.columns):
        yield _already(found, now)
        return
    if _refusal(found.sync, found.now.columns, lower=True) is None:
        yield found.impact("letter_case", f"{now}. Whether it has it in other letters depends on the warehouse")
        return
    lost = [name for name in (*found.sync.required_columns, *found.sync.rename, *found.sync.omit)
            if name.casefold() not in found.now.columns.known]
    blamed = [(node, name, renamed) for name in lost for node, renamed in found.removals(name)]
    for node, name, renamed in blamed:
        yield found.impact("columns", f"removes column {name} of {node.label}{_perhaps(renamed)}: {now}",
                           model=node.label, column=name)
    if not blamed:
        yield found.impact("columns", now)


def _refusal(sync: Sync, columns: Columns, *, lower: bool = False) -> str | None:
    """Why no row of the result could be sent; None: it could, or the columns are not all known.

    Args:
        lower: take the names in small letters.
    """
    if columns.why is not None:
        return None
    try:
        Result(sync, [column.name.lower() if lower else column.name for column in columns.known.values()])
    except ModelError as error:
        return str(error)
    return None


def _lost(found: Compared) -> Iterator[Impact]:
    if found.before is None or found.now.columns.why is not None:
        return
    for name, column in found.before.columns.known.items():
        trait, now = found.trait_of(column.name), found.now.columns.known.get(name)
        if trait is None:
            continue
        if now is not None:
            if found.trait_of(now.name) != trait:
                yield found.impact("letter_case", f"column {column.name} of {found.sync.name} is written {now.name} "
                                   f"now: where the warehouse keeps letter case, trait {trait} is lost and another is "
                                   "new", column=column.name, trait=trait)
            continue
        loses = f"{found.sync.name} loses trait {trait}: users keep in Candu the value that they have"
        if found.sync.kind != "users":
            loses = f"{found.sync.name} loses {'property' if found.sync.kind == 'events' else 'trait'} {trait}"
        removed = list(found.removals(column.name))
        for node, renamed in removed:
            again = f" (was it renamed to {renamed}? Then `rename: {{{renamed}: {trait}}}` keeps it)" if renamed else ""
            yield found.impact("lost_trait", f"removes column {column.name} of {node.label}: {loses}{again}",
                               model=node.label, column=column.name, trait=trait)
        if not removed:
            yield found.impact("lost_trait", loses, column=column.name, trait=trait)


def _keys(found: Compared) -> Iterator[Impact]:
    """The keys of the models that the sync reads: another one may give several rows of one key."""
    old = found.manifests.old
    for node in found.now.nodes if old is not None and found.before is not None else ():
        before = old.manifest.by_id.get(node.id) if old else None
        if before is not None:
            yield from _key(found, node, "unique_key", before.unique_key, node.unique_key)
            yield from _key(found, node, "key (by dbt's tests and constraints)", before.primary_key, node.primary_key)


def _key(found: Compared, node: Node, word: str, was: tuple[str, ...], now: tuple[str, ...]) -> Iterator[Impact]:
    key = {column.casefold() for column in found.sync.key}
    if not was or {*was} == {*now}:
        return
    changes = f"changes the {word} of {node.label} from {', '.join(was)} to {', '.join(now) or 'none'}"
    rows = f"rows of one {', '.join(found.sync.key)}"
    within = {column.casefold() for column in was} <= key
    if len(found.now.nodes) > 1 or (within and not now):
        yield found.impact("untested_key", f"{changes}: it is not known whether {found.sync.name} may find several "
                           f"{rows}", model=node.label)
    elif within and not {column.casefold() for column in now} <= key:
        yield found.impact("key", f"{changes}: {found.sync.name} may find several {rows}, and sends none of them",
                           model=node.label)


def _preconditions(found: Compared) -> Iterator[Impact]:
    """What the YAML asks of dbt, as far as a manifest shows it."""
    old = found.manifests.old.manifest if found.manifests.old else None
    for node in found.now.nodes:
        was = old.by_id.get(node.id) if old else None
        if found.sync.dbt.contract and not node.contract and (was is None or was.contract):
            yield found.impact("precondition", f"{found.sync.name} asks for a contract: {without_contract(node)}",
                               model=node.label)
        tested = any(node.id in test.about for test in found.manifests.new.manifest.tests)
        before = old is not None and was is not None and not any(node.id in test.about for test in old.tests)
        if found.sync.dbt.tests and not tested and not before:
            yield found.impact("precondition", f"{found.sync.name} asks for tests that pass: {node.label} has none",
                               model=node.label)


def _not_known(found: Compared) -> Iterator[Impact]:
    """What the manifest does not show, where something changed or all is looked at."""
    if found.now.unread is not None:
        yield found.impact("open_columns", f"{found.now.unread}: what it needs of dbt is not known")
        return
    for name in found.now.strangers:
        if found.whole or (found.before and name in found.before.strangers):
            yield found.impact("table", f"{found.sync.name} reads {name}, which is no table that the manifest has: "
                               "what becomes of it is not known")
    touched = found.whole or bool(found.changed)
    if found.now.columns.why is not None and touched and not found.now.strangers:
        yield found.impact("open_columns", f"the columns of {found.sync.name} are not known in full: "
                           f"{found.now.columns.why}")
    elif touched:
        yield from (_open(found, read) for read in found.now.doubtful if read.why is not None
                    and not found.now.strangers)


def _open(found: Compared, read: Read) -> Impact:
    return found.impact("open_column", f"it is not known whether column {read.column}, which {found.sync.name} reads, "
                        f"is there: {read.why}", column=read.column)
