"""Notices of what is wrong with the syncs of a project, and of their recovery."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from candu_sync.alerts import Condition, Sent, announce
from candu_sync.operate.status import conditions
from candu_sync.project import Project
from candu_sync.syncs import Catalog


def alert(project: Project, catalog: Catalog, names: Collection[str] = (), *,
          look: Callable[[Condition], Condition | None] = lambda condition: condition) -> list[Sent]:
    """Send what is new about the syncs to the addresses of ``CANDU_ALERTS_URL``. Without an address it does nothing.

    Args:
        names: only these; empty: all.
        look: is shown each condition, and returns it, another one, or None to leave the sync out this time: an
            orchestrator knows of runs that the state does not know of.

    Raises:
        StateError: the state cannot be read or written.

    Example:
        >>> from candu_sync import load_syncs
        >>> alert(project, load_syncs(project.settings.sql_dir))
        []
    """
    addresses = project.settings.alert_addresses
    if not addresses:
        return []
    seen = [shown for condition in conditions(project, catalog, names) if (shown := look(condition)) is not None]
    return announce(project.state, [_with_pages(condition) for condition in seen], addresses)


def _with_pages(condition: Condition) -> Condition:
    """A link must be the address of a page: an id that an orchestrator gave is none."""
    return replace(condition, standings=tuple(
        replace(standing, link=standing.link if (standing.link or "").startswith(("https://", "http://")) else None)
        for standing in condition.standings))
