"""SQL of DuckDB that makes of a model's row the hashes that the row index has of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from candu_sync.rows import (
    SQL_TYPE,
    SqlForm,
    Trait,
    ValueKind,
    check_columns,
    sql_form,
    sql_id,
    sql_joined_key,
    sql_key_part,
    trait_columns,
)
from candu_sync.snapshot import Snapshot, key_hash, row_hash
from candu_sync.syncs import Sync
from candu_sync.warehouse import HashSql, NotHashed

_IDS = {"users": ("user_id",), "groups": ("group_id", "user_id")}


def index_sql(sync: Sync, snapshot: Snapshot, types: Mapping[str, str], unless: str | None = None) -> HashSql:
    """The hashes of a row of a sync of users or groups: as ``Prefilter`` makes them of its canonical form.

    A row that has to be read whatever its values are gets a hash that no row of the snapshot has: one that is set
    aside, in which NaN is counted, or with a value of a trait that the snapshot does not have.

    Args:
        snapshot: whose row index it is.
        types: column → DuckDB's name of its type, in the order of the columns.
        unless: SQL of a condition over ``user_id``: such rows are read, too.

    Raises:
        NotHashed: a column is of a type whose canonical form is not made by SQL.
        ModelError: as ``Result``.
    """
    check_columns(sync, list(types))
    columns = {name: f"#{number}" for number, name in enumerate(types, 1)}
    ids = {name: _form(sql_id(columns[name], types[name]), name, types) for name in _IDS[sync.kind]}
    key = {name: ids[name] if name in ids else _form(sql_key_part(columns[name], types[name]), name, types)
           for name in sync.key}
    parts = [form.value for form in key.values()]
    traits = {name: _trait(name, _form(sql_form(columns[column], types[column], sync.timezone), column, types))
              for column, name in trait_columns(sync, list(types)).items()}
    hashed = snapshot.given(list(traits))
    aside = [form.aside for form in (*ids.values(), *key.values(), *traits.values()) if form.aside is not None]
    aside += [f"{form.value} IS NOT NULL" for name, form in traits.items()
              if form.kind is not ValueKind.EMPTY and Trait(name, form.kind) not in hashed]
    values = {f"t{n}": value for n, value in enumerate(_values(hashed, traits))}
    odd = " OR ".join(["aside", *([] if unless is None else [unless])])
    whole_key = parts[0] if len(parts) == 1 else sql_joined_key(parts)
    return HashSql(
        {"key": whole_key, "user_id": ids["user_id"].value,
         "aside": f"coalesce({' OR '.join(f'({condition})' for condition in aside)}, false)", **values},
        key_hash(), f"CASE WHEN {odd} THEN hash('read it', {row_hash(values)}) ELSE {row_hash(values)} END",
        key_hash(whole_key))


def _values(hashed: tuple[Trait, ...], traits: Mapping[str, SqlForm]) -> Iterator[str]:
    for trait in hashed:
        form = traits[trait.name]
        yield form.value if form.kind is trait.kind else f"NULL::{SQL_TYPE[trait.kind]}"


def _trait(name: str, form: SqlForm) -> SqlForm:
    """An email that is not text is none: its row is set aside."""
    if name != "email" or form.kind in (ValueKind.TEXT, ValueKind.EMPTY):
        return form
    return SqlForm(ValueKind.EMPTY, "NULL", f"{form.value} IS NOT NULL OR {form.aside or 'false'}")


def _form(form: SqlForm | None, column: str, types: Mapping[str, str]) -> SqlForm:
    if form is None:
        raise NotHashed(f"the column {column} has the type {types[column]}")
    return form
