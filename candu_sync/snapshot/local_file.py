"""A field that is a file on this machine. One in an object store is fetched when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import overload

Opened = Path | None | Callable[[], Path | None]


class LocalFile:
    """A field of a dataclass: it is given a path, None, or a function that fetches the file; read, it is a path or
    None.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Files:
        ...     base: LocalFile = LocalFile()
        >>> files = Files(base=lambda: Path("base.arrow"))
        >>> LocalFile.is_there(files, "base"), files.base, Files().base
        (True, PosixPath('base.arrow'), None)
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> None: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Path | None: ...

    def __get__(self, instance: object | None, owner: type | None = None) -> Path | None:
        if instance is None:
            return None  # the default of the field
        value: Opened = instance.__dict__[self._name]
        if callable(value):
            instance.__dict__[self._name] = value = value()
        return value

    def __set__(self, instance: object, value: Opened) -> None:
        instance.__dict__[self._name] = value

    @staticmethod
    def is_there(instance: object, name: str) -> bool:
        """Whether the field has a file, without fetching it."""
        return instance.__dict__[f"_{name}"] is not None
