"""Syncs that dbt's models declare themselves, in their ``meta``, and no SQL file does:

    models:
      - name: dim_users
        config:
          meta:
            candu: {kind: users, columns: [user_id, plan], rename: {plan: tier}}

The keys are those of a sync's YAML, with ``kind``, and ``name`` and ``columns`` if wanted. Its SQL is a select from the
model's relation. A list under ``candu`` declares several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from candu_sync.dbt.declared_sql import CannotSelect, sql_of
from candu_sync.dbt.manifest import Manifest, ManifestError, read_manifest
from candu_sync.dbt.nodes import Node
from candu_sync.errors import SpecError
from candu_sync.suggestions import hint
from candu_sync.syncs import KINDS, Catalog, Kind, Sync, build_sync, is_name, read_syncs, spec_of

__all__ = ["declared_syncs", "load_catalog"]

_META = "candu"
_WITHIN = f"meta.{_META}"

# The default of CANDU_SQL_DIR. It need not be there when dbt's models declare all syncs.
_DEFAULT = Path("sql")


def load_catalog(folder: Path, manifest: Path | None, *, required: bool | None = None) -> Catalog:
    """Every sync of a project: those under ``folder``, and those that dbt's models declare.

    What is wrong with one costs that one. A manifest that cannot be read is an error without a sync: it is not known
    which syncs it declares.

    Args:
        folder: ``CANDU_SQL_DIR``.
        manifest: ``CANDU_DBT_MANIFEST``; None: there is no dbt.
        required: whether the folder must be there, also where dbt's models declare syncs; None: unless it is the
            default of the setting.

    Raises:
        SettingsError: there is no such folder, and it is required or no model declares a sync.

    Example:
        >>> list(load_catalog(Path("sql"), None).syncs)
        ['users/profile']
    """
    declared = _declared_by(manifest)
    required = folder != _DEFAULT if required is None else required
    missing = not required and bool(declared.names) and not folder.exists()
    return _joined(Catalog({}, ()) if missing else read_syncs(folder), declared)


def _declared_by(manifest: Path | None) -> Catalog:
    if manifest is None:
        return Catalog({}, ())
    try:
        return declared_syncs(read_manifest(manifest), manifest)
    except ManifestError as error:
        why = f"it is not known which syncs dbt's models declare: {error}"
        return Catalog({}, (SpecError(str(manifest), why),))


def declared_syncs(manifest: Manifest, path: Path) -> Catalog:
    """The syncs of a manifest's nodes, by name, and an error for each that is wrong.

    Args:
        path: where the manifest is; below the folder above its own are the files that the errors name.
    """
    found: dict[str, Sync] = {}
    errors: list[SpecError] = []
    for node in manifest.nodes:
        for given in _given(node):
            try:
                sync = _sync(node, given, manifest, path)
                if sync.name in found:
                    raise _error(node, f"{found[sync.name].node} declares a sync of the name {sync.name} too; give one "
                                 "of them another `name`", sync.name)
                found[sync.name] = sync
            except SpecError as error:
                errors.append(error)
    return Catalog(found, tuple(errors))


def _given(node: Node) -> list[Any]:
    declared = node.meta.get(_META, [])
    return declared if isinstance(declared, list) else [declared]


def _error(node: Node, sentence: str, sync: str | None = None) -> SpecError:
    return SpecError(node.said_in, f"{node.id}: {sentence}", sync=sync or _default_name(node))


def _default_name(node: Node) -> str:
    """What an error calls a sync whose kind or name is wrong."""
    return f"{_META}/{node.name}"


def _sync(node: Node, given: Any, manifest: Manifest, path: Path) -> Sync:
    if not isinstance(given, Mapping):
        raise _error(node, f"{_WITHIN} is a mapping like {{kind: users}}, or a list of such mappings")
    kind = _kind(node, given)
    name = _name(node, kind, given.get("name"))
    settings = {str(key): value for key, value in given.items() if key not in ("kind", "name", "columns")}
    spec = spec_of(settings, kind, path=f"{node.said_in}: {node.id}", sync=name, within=_WITHIN)
    try:
        sql = sql_of(node, manifest, kind, spec, given.get("columns"))
    except CannotSelect as error:
        raise _error(node, f"{_WITHIN}.{error}", name) from None
    return build_sync(name, kind, path.parent.parent / node.file, (node.description, sql), spec, node=node.id)


def _kind(node: Node, given: Mapping[str, Any]) -> Kind:
    kind = given.get("kind")
    for known in KINDS:
        if kind == known:
            return known
    if kind is None:
        raise _error(node, f"{_WITHIN}.kind is missing; it is one of {', '.join(KINDS)}")
    raise _error(node, f"{_WITHIN}.kind: {kind!r} is not allowed; {hint(str(kind), KINDS)}")


def _name(node: Node, kind: Kind, given: object) -> str:
    """``users/dim_users`` for lack of a name; one that is given may begin with the kind, or leave it out."""
    if given is None:
        given = node.name if node.version is None or node.latest else f"{node.name}_v{node.version}"
    rest = str(given).removeprefix(f"{kind}/")
    first = rest.partition("/")[0]
    if first in KINDS and "/" in rest:
        raise _error(node, f"{_WITHIN}.name: {given} begins with {first}, and the kind is {kind}")
    wrong = [part for part in rest.split("/") if not is_name(part)]
    if wrong:
        raise _error(node, f"{_WITHIN}.name: {wrong[0]!r} may hold the letters A to Z, digits and _ only")
    return f"{kind}/{rest}"


def _joined(files: Catalog, declared: Catalog) -> Catalog:
    """Both, in the order of kind and name. Two syncs whose names differ at most by case are refused, both: they would
    share one state."""
    alike: dict[str, list[Sync]] = defaultdict(list)
    for sync in (*files.syncs.values(), *declared.syncs.values()):
        alike[sync.name.casefold()].append(sync)
    syncs = sorted((group[0] for group in alike.values() if len(group) == 1),
                   key=lambda sync: (KINDS.index(sync.kind), sync.name))
    clashes = [error for group in alike.values() if len(group) > 1 for error in _clashes(group)]
    errors = sorted((*files.errors, *declared.errors, *clashes), key=lambda error: error.path)
    return replace(files, syncs={sync.name: sync for sync in syncs}, errors=tuple(errors))


def _clashes(group: list[Sync]) -> Iterator[SpecError]:
    for sync in group:
        others = ", ".join(other.node or str(other.path) for other in group if other is not sync)
        place = f"{sync.path}: {sync.node}" if sync.node else str(sync.path)
        yield SpecError(place, f"{others} declares a sync of the name {sync.name} too, or of one that differs by case "
                        "only; rename one", sync=sync.name)
