"""The check of syncs by dbt's manifest alone, without a warehouse: for pull requests."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candu_sync.dbt import Manifest, ManifestError, declared_syncs, read_manifest
from candu_sync.errors import UsageError
from candu_sync.operate.impacts import EFFECTS, Compared, Effect, Impact, Manifests
from candu_sync.operate.lost_columns import column_impacts
from candu_sync.operate.resent_rows import resent_impacts
from candu_sync.syncs import Catalog, Sync

__all__ = ["ManifestCheck", "SyncImpacts", "check_by_manifest", "require_manifests"]


@dataclass(frozen=True, kw_only=True)
class SyncImpacts:
    """What was found about one sync.

    Attributes:
        sync: the sync's name.
        models: the dbt nodes that it reads, as people name them.
        changed: those of them, and of what they are made of, that differ from the other manifest.
        traits: its traits; None: they are not all known.
        impacts: the gravest first.
    """

    sync: str
    models: tuple[str, ...]
    changed: tuple[str, ...]
    traits: tuple[str, ...] | None
    impacts: tuple[Impact, ...]

    @property
    def effect(self) -> Effect:
        """The gravest of its impacts; ``ok``: there is none."""
        return self.impacts[0].effect if self.impacts else "ok"

    def to_json(self) -> dict[str, Any]:
        """The object that ``check --manifest --json`` prints."""
        return {"sync": self.sync, "effect": self.effect, "models": list(self.models), "changed": list(self.changed),
                "traits": None if self.traits is None else list(self.traits),
                "impacts": [impact.to_json() for impact in self.impacts]}


@dataclass(frozen=True)
class ManifestCheck:
    """What a check found.

    Attributes:
        syncs: one for each sync that was checked, in the catalog's order; then those that are gone.
        modified: the nodes that differ from the other manifest, or are gone, as people name them.
        against: whether there is another manifest.
    """

    syncs: tuple[SyncImpacts, ...]
    modified: tuple[str, ...]
    against: bool


def check_by_manifest(catalog: Catalog, syncs: Sequence[Sync], manifest: Path, against: Path | None = None, *,
                      only_modified: bool = False) -> ManifestCheck:
    """Check syncs by a manifest, and say what it changes compared with another one.

    Args:
        catalog: all syncs of the project, those that ``manifest`` declares among them.
        syncs: those to check.
        manifest: that of the change, as ``dbt parse`` or ``dbt compile`` wrote it.
        against: that of before the change.
        only_modified: leave out the syncs that read no modified node, and nothing that is made of one.

    Raises:
        UsageError: a manifest cannot be read, or sqlglot is not installed.
    """
    new, old = require_manifests(manifest, against)
    manifests = Manifests(new, old)
    earlier = declared_syncs(old, against).syncs if old and against else {}
    found = [_of_sync(Compared.of(sync, manifests, earlier.get(sync.name) if sync.node else sync)) for sync in syncs]
    gone = [_gone(sync) for sync in earlier.values() if sync.name not in catalog.names]
    labels = [node.label for node in new.nodes if node.id in manifests.modified]
    removed = [f"{node.label} (removed)" for node in old.nodes if node.id not in new.by_id] if old else []
    # What breaks may read a node that is gone.
    kept = [one for one in found if one.changed or one.effect == "breaks" or not only_modified]
    return ManifestCheck((*kept, *gone), tuple(sorted([*labels, *removed])), old is not None)


def require_manifests(manifest: Path, against: Path | None) -> tuple[Manifest, Manifest | None]:
    """The two manifests. Raises as ``check_by_manifest``."""
    # It would say on stderr what a statement is that it does not know.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # sqlglot imports an extension that is deprecated, where dagster-dbt has installed it.
            warnings.simplefilter("ignore")
            import sqlglot  # noqa: F401
    except ImportError:
        raise UsageError("check --manifest reads SQL by sqlglot, which is not installed: pip install 'candu-sync[dbt]'"
                         ) from None
    return _manifest(manifest, "--manifest"), _manifest(against, "--against") if against else None


def _manifest(path: Path, option: str) -> Manifest:
    try:
        return read_manifest(path, given_as=option)
    except ManifestError as error:
        raise UsageError(str(error)) from None


def _of_sync(found: Compared) -> SyncImpacts:
    impacts = sorted((*column_impacts(found), *resent_impacts(found)), key=lambda one: EFFECTS.index(one.effect))
    columns = found.now.columns
    traits = [trait for column in columns.known.values() if (trait := found.trait_of(column.name))]
    known = columns.why is None and found.now.error is None
    return SyncImpacts(sync=found.sync.name, models=tuple(node.label for node in found.now.nodes),
                       changed=tuple(node.label for node in found.changed), traits=tuple(traits) if known else None,
                       impacts=_distinct(impacts))


def _distinct(impacts: Collection[Impact]) -> tuple[Impact, ...]:
    return tuple(dict.fromkeys(impacts))


def _gone(sync: Sync) -> SyncImpacts:
    sentence = (f"{sync.node} declares {sync.name} no longer: nothing is sent for it any more, and Candu keeps what it "
                "has")
    impact = Impact(code="gone", sync=sync.name, sentence=sentence)
    return SyncImpacts(sync=sync.name, models=(), changed=(), traits=None, impacts=(impact,))
