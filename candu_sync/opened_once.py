"""An attribute that is made at its first use, once, also where several threads use it first."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, Self, TypeVar, overload

_T = TypeVar("_T")

# What is made seldom and at once may wait for each other.
_LOCK = threading.RLock()


class opened_once(cached_property[_T]):  # noqa: N801 (a decorator)
    """As ``functools.cached_property``, which from Python 3.12 on lets each thread make one.

    Example:
        >>> class Numbers:
        ...     @opened_once
        ...     def first(self) -> list[int]:
        ...         return [1]
        >>> numbers = Numbers()
        >>> numbers.first is numbers.first
        True
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> _T: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | _T:
        with _LOCK:
            found: Self | _T = super().__get__(instance, owner)
            return found
