"""What is compared with what, and what that means for how rows are read and sent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from candu_sync.changes import Encoding, anything_set_aside, identity_changes, identity_of, row_identity
from candu_sync.diff import Refresh, chosen_rows
from candu_sync.forgetting import Tombstones
from candu_sync.rows import Trait
from candu_sync.snapshot import Snapshot
from candu_sync.state import RowIdentity, Version
from candu_sync.target import Target


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is compared with what.

    Attributes:
        full: every row, whole.
        keys: only the rows of these keys; empty: all rows.
        tombstones: of people who are left out.
        refresh: whose turn it is to be sent again; None: no row's.
    """

    target: Target
    version: Version
    snapshot: Snapshot
    full: bool
    keys: tuple[str, ...]
    tombstones: Tombstones
    refresh: Refresh | None

    @cached_property
    def chosen(self) -> str | None:
        """SQL of the condition that the rows of ``keys`` meet."""
        return chosen_rows(self.target.sync.kind, self.keys) if self.keys else None

    @cached_property
    def identity(self) -> RowIdentity:
        """What makes two rows the same row."""
        return row_identity(self.target.sync)

    @property
    def first(self) -> bool:
        """Whether rows are compared with nothing."""
        return not (self.version.number or self.full or self.keys or self.target.ended or self.refreshed)

    @property
    def streams(self) -> bool:
        """Whether the rows need not be compared with each other, unless two have one key."""
        return self.first and self.target.sync.kind == "users" and len(self.target.sync.key) == 1

    def encoding(self, traits: tuple[Trait, ...]) -> Encoding:
        """How rows with these traits become messages."""
        target, sync = self.target, self.target.sync
        namespace = target.project.message_namespace
        identity = None if namespace is None else identity_of(
            namespace, sync.name, sync.kind, target.partition, self.version.number)
        return Encoding(sync.kind, traits, identity)

    @cached_property
    def may_end_early(self) -> bool:
        """Whether there is nothing to do when the snapshot has all rows as they are."""
        # The list of invalid rows changes when a plan is staged with its files.
        return not (self.full or self.keys or self.target.ended or anything_set_aside(self.target.state)
                    or identity_changes(self.version.identity, self.identity) or self._begins_refresh)

    @property
    def may_be_matched(self) -> bool:
        """Whether a row that the snapshot has as it is makes no difference."""
        return not (self.full or self.keys or self.target.ended or self.refresh) and self.version.number > 0

    @property
    def _begins_refresh(self) -> bool:
        """Whether a version has to be made only for the refresh to begin."""
        return self.refresh is not None and self.refresh.begins and self.version.number > 0

    @property
    def refreshed(self) -> Refresh | None:
        """Whose turn it is, where rows are sent only for that. A full run sends all rows."""
        return None if self.full or self.refresh is None or self.refresh.begins else self.refresh
