"""Folders of syncs and partitions. Their names fit every disk and store, and no two keys share one.

A partition's key may be longer than a file name may be, and two keys may differ only by upper and lower case,
which is one name on a case-insensitive disk. Such a key becomes a readable beginning and a digest:
``Enterprise`` → ``Enterprise.9f2c…``. Its folder then has the key in ``key.json``.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

NO_PARTITION = "-"
KEY_FILE = "key.json"

# File names have 255 bytes at most on common disks; object stores take names of 1,024 bytes with all folders.
_LONGEST = 150
_READABLE = 60
_DIGEST = 32

_ESCAPE = re.compile(r"%[0-9A-F]{2}")


def sync_folder(sync: str) -> str:
    """One level, so that the sync users/eu does not hold the folder of users/eu/profile. Names of syncs have no dots.

    Example:
        >>> sync_folder("users/eu/profile")
        'users.eu.profile'
    """
    name = sync.replace("/", ".")
    return name if len(name) <= _LONGEST else f"{name[:_READABLE]}..{_digest(sync)}"


def renaming_file(sync: str) -> str:
    """The marker in a sync's folder of a rename that is under way."""
    return f"{sync_folder(sync)}/renaming.json"


def resharding_file(sync: str) -> str:
    """The marker in a sync's folder of a move to another number of shards that is under way."""
    return f"{sync_folder(sync)}/resharding.json"


def partition_folder(partition: str | None) -> str:
    """A partition's folder; a name with a dot has a digest: no other name has a dot.

    Example:
        >>> partition_folder("2026-11-01|eu"), partition_folder(None)
        ('2026-11-01%7Ceu', '-')
        >>> partition_folder("EU")
        'EU.9170a8b2fb3234baa721bf8b3de5935d'
    """
    if partition is None:
        return NO_PARTITION
    name = first_folder(partition)
    if len(name) <= _LONGEST and not _has_upper_case(name):
        return name
    readable = re.sub(r"%.?$", "", name[:_READABLE])
    return f"{readable}.{_digest(partition)}"


def first_folder(partition: str) -> str:
    """The name that a partition's folder had in every case before digests. `-` means no partition, so a key that begins
    with it is written in full."""
    quoted = quote(partition, safe="").replace(".", "%2E")
    return "%2D" + quoted[1:] if quoted.startswith("-") else quoted


def is_digest(folder: str) -> bool:
    """Whether only ``key.json`` has the key of a folder."""
    return "." in folder


def key_of(folder: str) -> str | None:
    """The key of a folder whose name says it; None: no partition."""
    return None if folder == NO_PARTITION else unquote(folder)


def _has_upper_case(quoted: str) -> bool:
    return _ESCAPE.sub("", quoted) != _ESCAPE.sub("", quoted).lower()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
