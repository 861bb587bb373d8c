"""The option --key: rows that a person named."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import complain

if TYPE_CHECKING:
    from candu_sync.project import Project

Keys = Annotated[list[str] | None, typer.Option(
    "--key", metavar="KEY", help="Only this row, by its key or by its user's or group's id; may be given several "
    "times. It goes also where nothing of it changed, or Candu refused it before. All others wait.")]


class NamedKeys:
    """The keys that were named, and those that no sync and partition has."""

    def __init__(self, keys: Collection[str] | None) -> None:
        self.all = tuple(dict.fromkeys(keys or ()))
        self._missing: list[str] | None = None

    def note(self, missing: Collection[str]) -> None:
        """Note the keys that one sync and partition does not have."""
        self._missing = [key for key in (self.all if self._missing is None else self._missing) if key in missing]

    @property
    def none_found(self) -> bool:
        """Whether keys were named, and no sync and partition has any of them."""
        return bool(self.all) and len(self._missing or ()) == len(self.all)

    def codes(self, project: Project) -> list[int]:
        """Report the keys that were found nowhere; the exit codes for them."""
        from candu_sync.forgetting import is_forgotten

        for key in self._missing or ():
            complain(f"{key} is forgotten, and its rows are left out (`candu-sync forget`)"
                     if is_forgotten(project.state, key) else
                     f"no row has the key {key}: the model does not return it, it is an event that was sent, or the "
                     "key is made of several columns, like g1|u1")
        return [2 for _ in self._missing or ()]
