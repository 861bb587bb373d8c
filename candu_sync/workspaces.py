"""Several workspaces of Candu in one project: each has a name, and settings under that name.

The settings of the workspace ``eu`` are ``CANDU_EU_API_KEY``, ``CANDU_EU_STATE_URL`` and so on, and
``SEGMENT_EU_WRITE_KEY`` and ``SEGMENT_EU_API_URL``. None of them falls back to ``CANDU_API_KEY``: that is another
workspace's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from candu_sync.errors import SettingsError

__all__ = ["CHOICE", "PREFIX", "SEGMENT_PREFIX", "chosen_workspace", "in_words_of", "others_settings", "prefix_of",
           "segment_prefix_of", "state_of"]

PREFIX = "CANDU_"
SEGMENT_PREFIX = "SEGMENT_"
CHOICE = "CANDU_WORKSPACE"

# The first parts of assets' keys and of syncs' names.
_TAKEN = ("users", "groups", "events", "broken", "sync")

_COMMAND = re.compile(r"\bcandu-sync (?=[a-z])")


def chosen_workspace(given: str | None = None) -> str | None:
    """The name of the workspace that a process works for; None: the one without a name.

    Args:
        given: None: by ``CANDU_WORKSPACE``; empty: the one without a name.

    Raises:
        SettingsError: it cannot be a name.

    Example:
        >>> chosen_workspace("eu")
        'eu'
    """
    name = os.environ.get(CHOICE, "").strip() if given is None else given
    if not name:
        return None
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or name in _TAKEN:
        raise SettingsError(f"{CHOICE} or --workspace: a workspace's name has small letters, digits and _, like eu or "
                            f"shop_us, and is none of {', '.join(_TAKEN)}")
    return name


def prefix_of(workspace: str | None) -> str:
    """What the names of a workspace's settings begin with.

    Example:
        >>> prefix_of("eu")
        'CANDU_EU_'
    """
    return PREFIX if workspace is None else f"{PREFIX}{workspace.upper()}_"


def segment_prefix_of(workspace: str | None) -> str:
    """As ``prefix_of``, of the settings of Segment."""
    return SEGMENT_PREFIX if workspace is None else f"{SEGMENT_PREFIX}{workspace.upper()}_"


def state_of(workspace: str) -> str:
    """Where a workspace with a name keeps its state, if no setting says it."""
    return f".candu_sync_{workspace}"


def others_settings(variables: Collection[str], settings: Collection[str]) -> set[str]:
    """Of environment variables, those that are settings of workspaces with names: wherever there is an API key.

    Args:
        variables: in capitals.
        settings: the settings' names, in capitals and without ``CANDU_``.
    """
    known = {"API_KEY", *settings}
    prefixes = [name.removesuffix("API_KEY") for name in variables
                if name.startswith(PREFIX) and name.endswith("_API_KEY") and name != f"{PREFIX}API_KEY"]
    return {f"{prefix}{setting}" for prefix in prefixes for setting in known} & set(variables)


def in_words_of(workspace: str | None, text: str, settings: Collection[str]) -> str:
    """A sentence for the people of a workspace: its settings and commands are those that they can use.

    Args:
        settings: as for ``others_settings``.

    Example:
        >>> in_words_of("eu", "set CANDU_STATE_URL, then `candu-sync reset --all`", ["STATE_URL"])
        'set CANDU_EU_STATE_URL, then `candu-sync --workspace eu reset --all`'
    """
    if workspace is None:
        return text
    names = "|".join(sorted(settings, key=len, reverse=True))
    text = re.sub(rf"\b{PREFIX}(?=(?:{names})\b)", prefix_of(workspace), text)
    text = re.sub(rf"\b{SEGMENT_PREFIX}(?=(?:WRITE_KEY|API_URL)\b)", segment_prefix_of(workspace), text)
    return _COMMAND.sub(f"candu-sync --workspace {workspace} ", text)
