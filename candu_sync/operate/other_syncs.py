"""What the other syncs of a project send, by their files and their state. No model is queried for it.

A sync's traits are those of its staged change set or its snapshot, and those that its YAML names. A trait that its SQL
and YAML no longer name is left out. Of a sync that never ran, only the YAML is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from candu_sync.changes import staged_traits
from candu_sync.errors import StateError
from candu_sync.project import Project
from candu_sync.snapshot import FORGOTTEN
from candu_sync.state import PartitionState, orphans
from candu_sync.syncs import Catalog, Sync


class OtherSyncs:
    """The syncs of a project, as the others see them. What is read of a sync is kept.

    Args:
        catalog: the syncs of the project, and the files that are wrong.
        known: sync → traits, as an earlier one has read them; what is read now is added.

    Example:
        >>> from candu_sync import load_syncs
        >>> others = OtherSyncs(project, load_syncs(project.settings.sql_dir))
        >>> others.senders(sync), others.users()
        ({}, True)
    """

    def __init__(self, project: Project, catalog: Catalog, known: dict[str, list[str]] | None = None) -> None:
        self._project = project
        self._catalog = catalog
        self._traits: dict[str, list[str]] = {} if known is None else known
        self._users: bool | None = None

    def learn(self, sync: Sync, traits: Iterable[str]) -> None:
        """Take these traits for those of a sync: the warehouse gave its columns."""
        self._traits[sync.name] = [*traits]

    def senders(self, sync: Sync) -> dict[str, Sequence[str]]:
        """Sync → its traits, for the other syncs of the same kind; {} for events, whose properties are their own."""
        if sync.kind == "events":
            return {}
        return {other.name: self._of(other) for other in self._catalog.syncs.values()
                if other.kind == sync.kind and other.name != sync.name}

    def users(self) -> bool:
        """Whether the project has a sync of users, a wrong file among them; or the state has what one sent."""
        if self._users is None:
            self._users = any(name.startswith("users/") for name in self._catalog.names) or self._users_in_state()
        return self._users

    def _users_in_state(self) -> bool:
        try:
            names = orphans(self._project.state, self._catalog.names)
            return any(name.startswith("users/") for name in names)
        except StateError:
            return False

    def _of(self, sync: Sync) -> list[str]:
        if sync.name not in self._traits:
            self.learn(sync, known_traits(self._project, sync))
        return self._traits[sync.name]


def known_traits(project: Project, sync: Sync) -> list[str]:
    """The traits that a sync sends, as far as its YAML and its state say. A state that cannot be read says nothing: the
    sync's own run reports it."""
    try:
        found = _in_state(project, sync)
    except StateError:
        found = []
    columns = [column for column in sync.rename if column not in sync.omit]
    return list(dict.fromkeys([*(name for name in found if _still_sent(sync, name)),
                               *(sync.rename[column] for column in columns), *removed_traits(sync)]))


def removed_traits(sync: Sync) -> list[str]:
    """The traits that ``removed`` sets."""
    return [] if isinstance(sync.removed, str) else list(sync.removed)


def _in_state(project: Project, sync: Sync) -> list[str]:
    """The traits of the last partition that has any: one model gives the columns of all."""
    for partition in reversed(project.state.partitions(sync.name)):
        if names := _of_partition(project.state.of(sync.name, partition)):
            return names
    return []


def _of_partition(state: PartitionState) -> list[str]:
    version = state.newest()
    return staged_traits(state) or [name for name, _ in (version.traits if version else ()) if name != FORGOTTEN]


def _still_sent(sync: Sync, trait: str) -> bool:
    """Whether a column of this trait may still be in the model: the SQL has its name, or a star."""
    columns = [column for column, name in sync.rename.items() if name == trait]
    if trait not in sync.rename:
        columns.append(trait)
    text = sync.sql.casefold()
    return any(column not in sync.omit and ("*" in text or re.search(rf"(?<!\w){re.escape(column.casefold())}(?!\w)",
                                                                     text)) for column in columns)
