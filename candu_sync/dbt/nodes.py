"""A model, seed, snapshot or source as a dbt manifest describes it, and a test of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Macro", "Node", "Test", "data_test_of", "macro_of", "node_of", "text"]


_SNAPSHOT = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to")
"""The columns that dbt adds to a snapshot, unless the config gives them other names."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A model, seed, snapshot or source.

    Attributes:
        id: dbt's ``unique_id``, the same in each manifest of the project: ``model.shop.dim_users``.
        sort: model, seed, snapshot or source.
        package: the dbt package that it belongs to.
        source: the source's name, and ``name`` is then the table's; None: it is no source.
        version: the version of a versioned model.
        latest: whether a ref without a version means this node.
        relation: its name in the warehouse, quoted as dbt quotes it; None: an ephemeral model, which is not there.
        asset_key: the key of its Dagster asset, as dagster-dbt gives it by default.
        columns: those that dbt's YAML files describe; often fewer than the relation has.
        types: described column → its ``data_type``, where the YAML gives one.
        quoted: the described columns with ``quote: true``.
        file: the file with its SQL or data, below the dbt project's folder.
        described_in: the YAML file that describes it; None: none does.
        description: the YAML's text.
        meta: what the YAML or the config gives as ``meta``.
        contract: whether dbt enforces that the columns and their types are those of the YAML.
        materialized: table, view, incremental, snapshot …
        unique_key: the columns that an incremental model or a snapshot is merged by.
        primary_key: the columns that dbt takes for the key, by constraints and tests.
        checksum: dbt's, of the file.
        code: the SQL with its templates, or Python; "": a seed or a source.
        compiled: the SQL without templates; None: the command that wrote the manifest compiled nothing.
        language: sql or python.
        parents: the ids of the nodes that it reads.
        macros: the ids of the macros that it uses.
        added: the columns that a snapshot has beside those of its query.
    """

    id: str
    sort: str
    package: str
    name: str
    source: str | None
    version: str | None
    latest: bool
    relation: str | None
    asset_key: tuple[str, ...]
    columns: tuple[str, ...]
    types: Mapping[str, str] = field(hash=False)
    quoted: frozenset[str]
    file: str
    described_in: str | None
    description: str
    meta: Mapping[str, Any] = field(hash=False)
    contract: bool
    materialized: str
    unique_key: tuple[str, ...]
    primary_key: tuple[str, ...]
    checksum: str
    code: str
    compiled: str | None
    language: str
    parents: tuple[str, ...]
    macros: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def label(self) -> str:
        """How people name it: ``dim_users``, ``prices v2``, ``app.users`` for a source's table."""
        name = f"{self.name} v{self.version}" if self.version else self.name
        return f"{self.source}.{name}" if self.source else name

    @property
    def said_in(self) -> str:
        """The file that a person corrects: the YAML that describes the node, else its own."""
        return self.described_in or self.file


@dataclass(frozen=True)
class Test:
    """A data test of dbt's.

    Attributes:
        id: dbt's ``unique_id``.
        name: the test's name.
        about: the ids of the nodes that it tests.
    """

    __test__ = False  # not one of pytest's

    id: str
    name: str
    about: tuple[str, ...]


@dataclass(frozen=True)
class Macro:
    """A macro: its text, and the ids of the macros that it uses."""

    text: str
    macros: tuple[str, ...]


def macro_of(properties: Mapping[str, Any]) -> Macro:
    """A macro of the manifest."""
    return Macro(text(properties.get("macro_sql") or ""), _names((properties.get("depends_on") or {}).get("macros")))


def text(value: object) -> str:
    """A value that must be text: another type would fail later, far from the file.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of text")
    return value


def node_of(properties: Mapping[str, Any]) -> Node:
    """A node of the manifest. Raises TypeError or LookupError when it is not as dbt writes it."""
    config = properties.get("config") or {}
    version = properties.get("version")
    columns = list((properties.get("columns") or {}).values())
    compiled = properties.get("compiled_code")
    return Node(
        id=text(properties["unique_id"]), sort=text(properties["resource_type"]),
        package=text(properties["package_name"]), name=text(properties["name"]),
        source=_text_or_none(properties.get("source_name")),
        version=None if version is None else str(version), latest=version == properties.get("latest_version"),
        relation=_text_or_none(properties.get("relation_name")),
        asset_key=tuple(map(text, _asset_key(properties))),
        columns=tuple(text(column["name"]) for column in columns),
        types={column["name"]: text(column["data_type"]) for column in columns if column.get("data_type")},
        quoted=frozenset(column["name"] for column in columns if column.get("quote")),
        file=text(properties.get("original_file_path") or ""), described_in=_patch(properties),
        description=text(properties.get("description") or ""), meta=_meta(properties),
        contract=bool((config.get("contract") or {}).get("enforced")),
        materialized=text(config.get("materialized") or ""),
        unique_key=_names(config.get("unique_key")), primary_key=_names(properties.get("primary_key")),
        checksum=text((properties.get("checksum") or {}).get("checksum") or ""),
        code=text(properties.get("raw_code") or ""), compiled=_text_or_none(compiled),
        language=text(properties.get("language") or "sql"),
        parents=_names((properties.get("depends_on") or {}).get("nodes")),
        macros=_names((properties.get("depends_on") or {}).get("macros")), added=_added(properties))


def _added(properties: Mapping[str, Any]) -> tuple[str, ...]:
    if properties["resource_type"] != "snapshot":
        return ()
    names = (properties.get("config") or {}).get("snapshot_meta_column_names") or {}
    return tuple(text(names.get(column) or column) for column in _SNAPSHOT)


def data_test_of(properties: Mapping[str, Any]) -> Test:
    """A test of the manifest. A generic test is attached to one node, a singular one is about all that it reads."""
    attached = _text_or_none(properties.get("attached_node"))
    read = _names((properties.get("depends_on") or {}).get("nodes"))
    return Test(text(properties["unique_id"]), text(properties["name"]), (attached,) if attached else read)


def _text_or_none(value: object) -> str | None:
    return None if value is None else text(value)


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(text, value or ()))


def _patch(properties: Mapping[str, Any]) -> str | None:
    """``shop://models/schema.yml`` → the path. A source stands in the YAML file itself."""
    patch = _text_or_none(properties.get("patch_path"))
    return patch.partition("://")[2] or patch if patch else None


def _meta(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """dbt 1.10 and later have it under ``config``, and at the top as well."""
    return {**(properties.get("meta") or {}), **((properties.get("config") or {}).get("meta") or {})}


def _asset_key(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """As ``default_asset_key_fn`` of dagster-dbt has it."""
    config = properties.get("config") or {}
    meta = config.get("meta") or properties.get("meta") or {}
    own = meta.get("dagster", {}).get("asset_key")
    if own:
        return (own,) if isinstance(own, str) else tuple(own)
    if properties["resource_type"] == "source":
        return properties["source_name"], properties["name"]
    if properties.get("version"):
        return (properties["alias"],)
    schema = config.get("schema")
    return (properties["name"],) if schema is None else (schema, properties["name"])
