"""Syncs as dbt exposures (https://docs.getdbt.com/docs/build/exposures): dbt's lineage ends where its data goes.

An exposure is named ``candu__users__profile`` and depends on what the sync's model reads by ref and source, and on
those of its ``deps`` that dbt knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from candu_sync.dbt.manifest import Manifest, ManifestError, read_manifest
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.references import call_of, calls, nodes_read
from candu_sync.errors import SettingsError, SpecError
from candu_sync.syncs import Sync

__all__ = ["exposures", "text"]

_HEADING = "# Written by `candu-sync exposures`; what is changed here is lost when it writes the file again.\n"


def exposures(syncs: Sequence[Sync], manifest: Path | None, traits: Mapping[str, Sequence[str]]
              ) -> tuple[list[dict[str, Any]], list[SpecError]]:
    """An exposure for each sync, and an error for each whose ref or source cannot be resolved.

    Without a manifest the refs and sources are kept as the models write them, and ``deps`` are left out: it is not
    known which of them are dbt's.

    Args:
        manifest: ``CANDU_DBT_MANIFEST``.
        traits: a sync's name → its traits; syncs with unknown traits are left out of it.

    Raises:
        SettingsError: the manifest cannot be read.
    """
    try:
        known = None if manifest is None else read_manifest(manifest)
    except ManifestError as error:
        raise SettingsError(str(error)) from None
    found: list[dict[str, Any]] = []
    errors: list[SpecError] = []
    for sync in syncs:
        try:
            found.append(_exposure(sync, _depends_on(sync, manifest, known), traits.get(sync.name)))
        except SpecError as error:
            errors.append(error)
    return found, errors


def text(found: list[dict[str, Any]]) -> str:
    """The exposures as the YAML file that dbt reads."""
    return _HEADING + yaml.safe_dump({"version": 2, "exposures": found}, sort_keys=False, allow_unicode=True, width=120)


def _exposure(sync: Sync, depends_on: list[str], traits: Sequence[str] | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"candu_sync": sync.name}
    if traits is not None:
        meta["properties" if sync.kind == "events" else "traits"] = list(traits)
    return {
        "name": f"candu__{sync.name.replace('/', '__')}",
        "label": f"Candu: {sync.name}",
        "type": "application",
        "description": _untemplated(sync.description) or f"Sent to Candu by candu-sync, as {sync.kind}.",
        "depends_on": depends_on,
        "owner": _owner(sync.owners),
        "config": {"tags": [f"{name}:{value}" if value else name for name, value in sync.tags.items()], "meta": meta},
    }


def _untemplated(description: str) -> str:
    """dbt runs what looks like a template in a description, and a comment may quote a ref."""
    return f"{{% raw %}}{description}{{% endraw %}}" if re.search(r"\{[{%#]", description) else description


def _owner(owners: Sequence[str]) -> dict[str, str]:
    """dbt takes one owner, with a name, an address or both, and refuses none."""
    found: dict[str, str] = {}
    for owner in owners:
        if owner.startswith("team:"):
            found.setdefault("name", owner.removeprefix("team:"))
        else:
            found.setdefault("email", owner)
    return found or {"name": "candu-sync"}


def _depends_on(sync: Sync, manifest: Path | None, known: Manifest | None) -> list[str]:
    if known is None:
        found = [str(call) for _, _, call in calls(sync.sql, path=str(sync.path), sync=sync.name)]
    else:
        nodes = (*nodes_read(sync, manifest), *_declared(sync, known))
        found = [str(call_of(node, known)) for node in nodes]
    return list(dict.fromkeys(found))


def _declared(sync: Sync, known: Manifest) -> Iterator[Node]:
    by_key = {"/".join(node.asset_key): node for node in known.nodes}
    for dep in sync.deps:
        node = by_key.get(known.asset_key(dep))
        if node is not None:
            yield node
