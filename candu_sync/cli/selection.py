"""Which syncs and partitions a command is about: names, patterns, folders, tags, what failed.

The rooms are imported inside the functions: `--help` must not wait for databases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import complain, keys_of
from candu_sync.errors import UsageError
from candu_sync.suggestions import did_you_mean

if TYPE_CHECKING:
    from candu_sync.errors import SpecError
    from candu_sync.project import Project
    from candu_sync.syncs import Catalog, Sync

Names = Annotated[list[str] | None, typer.Argument(
    metavar="SYNC…", help="Names of syncs, like users/profile; patterns, like 'users/*'; folders, like users.")]
All = Annotated[bool, typer.Option("--all", help="Every sync there is.")]
Tags = Annotated[list[str] | None, typer.Option(
    "--tag", metavar="TAG", help="Syncs with this tag, like domain or domain=growth; of several, with any of them.")]
Exclude = Annotated[list[str] | None, typer.Option(
    "--exclude", metavar="SYNC", help="Without this sync, pattern or folder; may be given several times.")]
Failed = Annotated[bool, typer.Option(
    "--failed", help="Syncs and partitions whose last run failed, was stopped by a guard, or died.")]

_PATTERN = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the words of a command say."""

    names: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    failed: bool = False
    everything: bool = False

    @classmethod
    def of(cls, names: list[str] | None, partitions: list[str] | None = None, *, tags: list[str] | None = None,
           exclude: list[str] | None = None, failed: bool = False, everything: bool = False) -> Selection:
        """The selection of a command's arguments and options.

        Raises:
            UsageError: names and ``--all`` contradict each other.
        """
        if names and everything:
            raise UsageError(f"{names[0]}, or --all? Leave one of the two out")
        return cls(names=tuple(names or ()), partitions=tuple(partitions or ()), tags=tuple(tags or ()),
                   exclude=tuple(exclude or ()), failed=failed, everything=everything)

    def require(self, command: str) -> None:
        """Refuse a command that does not say which syncs it is about."""
        if not (self.names or self.everything or self.tags or self.failed):
            raise UsageError(f"{command} what? Name a sync (candu-sync list shows them), or all of them with --all")

    def is_exact(self, known: Collection[str]) -> bool:
        """Whether a person wrote each sync's name."""
        return bool(self.names) and all(name in known for name in self.names)


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The syncs that a command is about.

    Attributes:
        syncs: users before groups before events.
        errors: of the files of those that are wrong.
        gone: those that are no longer syncs and have a state.
    """

    project: Project
    selection: Selection
    syncs: list[Sync]
    errors: list[SpecError]
    gone: list[str]

    @property
    def names(self) -> list[str]:
        """The names of all of them, of those whose files are wrong too."""
        return list(dict.fromkeys((*(sync.name for sync in self.syncs),
                                   *(error.sync for error in self.errors if error.sync), *self.gone)))

    @property
    def named(self) -> list[str] | None:
        """As ``names``; None: the command has no word about syncs, and is about the whole project."""
        asked = self.selection
        return self.names if asked.names or asked.tags or asked.exclude or asked.failed else None

    def keys(self, sync: Sync) -> list[str] | None:
        """The partitions of a sync that were asked for; None: none was named.

        Raises:
            UsageError: a range is none, or a partition cannot be.
        """
        keys = keys_of(self.project, sync, self.selection.partitions)
        if not self.selection.failed or sync.partitions is None:
            return keys
        return [key for key in self._failed_keys(sync) if keys is None or key in keys]

    def _failed_keys(self, sync: Sync) -> Iterator[str]:
        from candu_sync.operate import failed_partitions
        from candu_sync.syncs import is_partition

        for key in failed_partitions(self.project, sync.name):
            if key is not None and is_partition(sync, key):
                yield key


def select(project: Project, catalog: Catalog, selection: Selection, *, gone: Collection[str] = ()) -> Selected:
    """The syncs that a command is about. The errors of their files are reported on stderr, those of other files are
    not. Without any word all syncs are meant.

    Args:
        gone: names of syncs that are no longer there, and may be selected.

    Raises:
        UsageError: a word stands for no sync, or nothing is left.
        StateError: the state cannot be read.
    """
    chooser = _Chooser(project, catalog, selection, gone)
    names = chooser.names()
    # A file that cannot be read does not say its tags.
    errors = [error for error in catalog.errors if error.sync in names or (not selection.names and error.sync is None)]
    for error in errors:
        complain(str(error))
    return Selected(project=project, selection=selection, errors=errors,
                    syncs=[sync for name, sync in catalog.syncs.items() if name in names],
                    gone=[name for name in gone if name in names])


@dataclass(frozen=True)
class _Chooser:
    project: Project
    catalog: Catalog
    selection: Selection
    gone: Collection[str]

    @cached_property
    def known(self) -> list[str]:
        """All names, the syncs in their order first."""
        return list(dict.fromkeys((*self.catalog.syncs, *sorted(self.catalog.names), *self.gone)))

    def names(self) -> set[str]:
        selection = self.selection
        found = self._named(selection.names) if selection.names else set(self.known)
        if selection.tags:
            found = self._tagged(found)
        found -= self._named(selection.exclude)
        if not found and self.known:
            raise UsageError("--exclude leaves no sync")
        if selection.failed:
            found = {name for name in found if self._failed(name)}
            if not found:
                complain("nothing failed: no run of these syncs failed last, was stopped by a guard, or died")
        return found

    def _named(self, words: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for word in words:
            matches = {name for name in self.known if _matches(word, name)}
            if not matches:
                raise self._unknown(word)
            found |= matches
        return found

    def _unknown(self, word: str) -> UsageError:
        for error in self.catalog.errors:
            if error.sync is None:  # it may hide the sync
                complain(str(error))
        folders = {name.rpartition("/")[0] for name in self.known}
        there = f"(there are: {', '.join(self.catalog.syncs) or 'none'})"
        if _PATTERN & set(word):
            return UsageError(f"no sync is like {word} {there}")
        return UsageError(f"there is no sync {word}{did_you_mean(word, [*self.known, *sorted(folders)])} {there}")

    def _tagged(self, names: set[str]) -> set[str]:
        tags = {name: {*sync.tags, *(f"{tag}={value}" for tag, value in sync.tags.items())}
                for name, sync in self.catalog.syncs.items()}
        found: set[str] = set()
        for word in self.selection.tags:
            tag = word if "=" in word else word.replace(":", "=", 1)
            matches = {name for name in names if tag in tags.get(name, ())}
            if not matches:
                known = sorted({tag for name in names for tag in tags.get(name, ()) if "=" in tag})
                raise UsageError(f"no sync has the tag {word}{did_you_mean(tag, known)} (there are: "
                                 f"{', '.join(known) or 'none'})")
            found |= matches
        # A file that cannot be read may have the tag.
        return found | (names & self.catalog.names - {*self.catalog.syncs})

    def _failed(self, name: str) -> bool:
        from candu_sync.operate import failed_partitions

        return bool(failed_partitions(self.project, name))


def _matches(word: str, name: str) -> bool:
    """Whether a name, a pattern or a folder stands for a sync."""
    return name == word or name.startswith(f"{word.rstrip('/')}/") or (
        bool(_PATTERN & set(word)) and fnmatchcase(name, word))
