"""The public names of a package, loaded when they are first asked for.

Start-up time is a promise: `--help` loads no database, and a plan with nothing to send loads no httpx.

A package's ``__init__`` lists its names twice: as imports for type checkers and readers, and as a table for this
module. A test checks that both lists agree.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], list[str]]:
    """What a package's ``__init__`` assigns to ``__getattr__`` and ``__all__``.

    Args:
        package: the package's ``__name__``.
        names: module of the package → the names that it gives, with blanks between them.

    Example:
        >>> get, names = lazy_names("candu_sync", {"errors": "CanduSyncError UsageError"})
        >>> names
        ['CanduSyncError', 'UsageError']
        >>> get("UsageError").exit_code
        2
    """
    module_of = {name: module for module, listed in names.items() for name in listed.split()}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package} has no attribute {name}")
        return getattr(importlib.import_module(f"{package}.{module_of[name]}"), name)

    return get, sorted(module_of)
