"""What a change of dbt's models does to one sync: what it loses, what is sent again, what is not known.

Only what the manifests show is claimed. A change whose effect they do not show is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from candu_sync.dbt import Columns, Manifest, ModelColumns, Node, SyncColumns, ancestors, columns_of_sync, modified
from candu_sync.suggestions import nearest
from candu_sync.syncs import Sync

__all__ = ["CODES", "EFFECTS", "Compared", "Effect", "Impact", "Manifests"]

Effect = Literal["breaks", "resends", "unknown", "ok"]

EFFECTS: tuple[Effect, ...] = ("breaks", "resends", "unknown", "ok")
"""What can become of a sync, the gravest first."""

CODES: dict[str, Effect] = {
    "unresolved": "breaks", "missing_column": "breaks", "columns": "breaks", "lost_trait": "breaks", "key": "breaks",
    "relation": "breaks", "precondition": "breaks", "gone": "breaks",
    "new_trait": "resends", "type": "resends", "id": "resends", "rows": "resends", "values": "resends",
    "sql": "resends",
    "open_columns": "unknown", "open_column": "unknown", "table": "unknown", "untested_key": "unknown",
    "letter_case": "unknown", "broken_before": "unknown",
}
"""Code → what it does to a sync."""


@dataclass(frozen=True, kw_only=True)
class Impact:
    """One thing that a change does to a sync, or that is not known.

    Attributes:
        code: one of ``CODES``.
        sync: the sync's name.
        sentence: for people.
        model: the dbt model that it is about, as people name it; None: several, or none.
        column: the model's column.
        trait: the sync's trait.
    """

    code: str
    sync: str
    sentence: str
    model: str | None = None
    column: str | None = None
    trait: str | None = None

    @property
    def effect(self) -> Effect:
        """What it does to the sync."""
        return CODES[self.code]

    def to_json(self) -> dict[str, Any]:
        """The object that ``check --manifest --json`` prints."""
        return {"code": self.code, "effect": self.effect} | asdict(self)


class Manifests:
    """A manifest, and the one that it is compared with.

    Args:
        new: what is checked: the pull request's.
        old: what it is compared with: production's. None: nothing; what was before is then not known.

    Attributes:
        modified: the ids of the nodes of ``new`` that differ; those that ``old`` does not have are among them.
    """

    def __init__(self, new: Manifest, old: Manifest | None) -> None:
        self.new = ModelColumns(new)
        self.old = ModelColumns(old) if old else None
        self.modified = modified(old, new) if old else frozenset()

    def read(self, sync: Sync) -> SyncColumns:
        """What a sync reads by the new manifest."""
        return columns_of_sync(sync, self.new, self.old)

    def before(self, sync: Sync) -> SyncColumns | None:
        """What a sync reads by the old manifest."""
        return columns_of_sync(sync, self.old, self.new) if self.old else None

    def columns(self, node: Node) -> Columns:
        """A node's columns, now."""
        return self.new.of(node)

    def columns_before(self, node: Node) -> Columns | None:
        """A node's columns by the old manifest; None: it has no such node."""
        found = self.old.manifest.by_id.get(node.id) if self.old else None
        return self.old.of(found) if self.old and found else None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A sync by both manifests.

    Attributes:
        before: None: there is no other manifest, or the sync is new.
        changed: the modified nodes among those that the sync reads, and all that these are made of.
    """

    sync: Sync
    manifests: Manifests
    now: SyncColumns
    before: SyncColumns | None
    changed: tuple[Node, ...]

    @classmethod
    def of(cls, sync: Sync, manifests: Manifests, earlier: Sync | None) -> Compared:
        """A sync by both manifests.

        Args:
            earlier: the sync as the old manifest declares it; the same one where a SQL file does; None: it is new.
        """
        now = manifests.read(sync)
        changed = tuple(node for node in ancestors(now.nodes, manifests.new.manifest)
                        if node.id in manifests.modified)
        before = manifests.before(earlier) if earlier else None
        return cls(sync=sync, manifests=manifests, now=now, before=before, changed=changed)

    @property
    def whole(self) -> bool:
        """Whether all is looked at, and not only what changed."""
        return self.before is None

    def impact(self, code: str, sentence: str, *, model: str | None = None, column: str | None = None,
               trait: str | None = None) -> Impact:
        """An impact on this sync."""
        return Impact(code=code, sync=self.sync.name, sentence=sentence, model=model, column=column, trait=trait)

    def trait_of(self, column: str) -> str | None:
        """The trait of a column of the result; None: it is none, or is not sent."""
        if column in self.sync.message_columns or column in self.sync.omit:
            return None
        return self.sync.rename.get(column, column)

    def removals(self, column: str) -> Iterator[tuple[Node, str | None]]:
        """The models that the sync reads and that lost a column, each with the column's new name, if that can be
        guessed: one that is made in the same way, or has a name like it."""
        for node in self.now.nodes:
            now, before = self.manifests.columns(node), self.manifests.columns_before(node)
            lost = before.known.get(column.casefold()) if before else None
            if before is None or lost is None or column.casefold() in now.known or now.why is not None:
                continue
            new = [found for name, found in now.known.items() if name not in before.known]
            same = [found.name for found in new if found.origin == lost.origin and lost.origin is not None]
            yield node, same[0] if same else nearest(column, [found.name for found in new])
