"""Notices: after each run, and on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.cli.common import complain, remark, say
from candu_sync.errors import CanduSyncError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from candu_sync.alerts import Address, Sent
    from candu_sync.errors import SpecError
    from candu_sync.project import Project
    from candu_sync.syncs import Catalog, Sync


def notices_after(project: Project, catalog: Catalog, syncs: list[Sync], errors: list[SpecError]) -> None:
    """Send what a run has changed. A notice that fails is reported on stderr, and fails no run.

    Args:
        syncs, errors: what the run was of.
    """
    names = {*(sync.name for sync in syncs), *(error.sync for error in errors if error.sync)}
    if not project.settings.alert_addresses or not names:
        return
    from candu_sync.operate import alert

    try:
        for sent in alert(project, catalog, () if names == catalog.names else names):
            (remark if sent.error is None else complain)(sent.sentence)
    except CanduSyncError as error:
        complain(f"no notice was sent: {error}")


def send_notices(project: Project, catalog: Catalog, names: list[str] | None, *, as_json: bool) -> int:
    """Send what is new, and print a line for each notice.

    Args:
        as_json: stdout is for other things.

    Returns:
        How many were not taken.

    Raises:
        SettingsError: there is no address.
        StateError: the state cannot be read or written.
    """
    from candu_sync.operate import alert

    _addresses(project)
    found = alert(project, catalog, names or ())
    show = remark if as_json else say
    if not found:
        show("no notice: nothing is new")
    return _shown(found, show)


def send_trial(project: Project) -> int:
    """Send each address a notice on trial, and print a line for each. Returns and raises as ``send_notices``."""
    from candu_sync.alerts import try_out

    return _shown(try_out(_addresses(project)), say)


def _addresses(project: Project) -> tuple[Address, ...]:
    addresses = project.settings.alert_addresses
    if not addresses:
        raise SettingsError("CANDU_ALERTS_URL is not set; put the webhook's URL or the mail server's there "
                            "(docs/alerts.md)")
    return addresses


def _shown(found: list[Sent], show: Callable[[str], None]) -> int:
    """Print what became of notices; how many were not taken."""
    for sent in found:
        (show if sent.error is None else complain)(sent.sentence)
    return sum(sent.error is not None for sent in found)
