"""How people write a sync and its partition."""

from __future__ import annotations


def named(sync: str, partition: str | None) -> str:
    """A sync and its partition in a sentence.

    Example:
        >>> named("users/segments", "trial")
        'users/segments [trial]'
        >>> named("users/profile", None)
        'users/profile'
    """
    return sync if partition is None else f"{sync} [{partition}]"
