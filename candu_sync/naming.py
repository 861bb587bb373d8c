"""How people write a sync and its partition, and a number of things."""

from __future__ import annotations

import shlex


def named(sync: str, partition: str | None) -> str:
    """A sync and its partition in a sentence.

    Example:
        >>> named("users/segments", "trial")
        'users/segments [trial]'
        >>> named("users/profile", None)
        'users/profile'
    """
    return sync if partition is None else f"{sync} [{partition}]"


def as_arguments(sync: str, *partitions: str | None) -> str:
    """A sync and its partitions as the arguments of a command; None: it has no partitions.

    Example:
        >>> as_arguments("users/segments", "at risk"), as_arguments("users/profile", None)
        ("users/segments --partition 'at risk'", 'users/profile')
    """
    return " ".join([sync, *(f"--partition {shlex.quote(key)}" for key in partitions if key is not None)])


def counted(number: int, one: str, more: str | None = None) -> str:
    """A number of things in a sentence.

    Example:
        >>> counted(1, "request"), counted(1200, "request"), counted(2, "property", "properties")
        ('1 request', '1,200 requests', '2 properties')
    """
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, with a mark where it was cut.

    Example:
        >>> shortened("plan: unknown", 5), shortened("plan", 5)
        ('plan…', 'plan')
    """
    return text if len(text) <= most else f"{text[:most - 1]}…"
