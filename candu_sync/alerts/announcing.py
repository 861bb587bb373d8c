"""Saying what is new: the condition of each sync is compared with what each address was sent before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from candu_sync.alerts.addresses import Address, addresses_for
from candu_sync.alerts.announced import Announced
from candu_sync.alerts.conditions import Condition, Standing
from candu_sync.alerts.notices import Notice
from candu_sync.alerts.ways_out import NotTaken, send
from candu_sync.state import State


@dataclass(frozen=True)
class Sent:
    """One notice and what became of it.

    Attributes:
        error: why the address did not take it; None: it did.
    """

    title: str
    address: Address
    error: str | None = None

    @property
    def sentence(self) -> str:
        """For a log."""
        about = f"{self.title}: {self.address.described}"
        if self.error is None:
            return f"{about} has the notice"
        return f"{about} did not take the notice: {self.error}. The next time tries again"


def announce(state: State, conditions: Iterable[Condition], addresses: Sequence[Address]) -> list[Sent]:
    """Send a notice for each sync whose condition is not the one that an address was sent last.

    An address that does not take one gets no other of this call. What it missed is compared again the next time; if all
    is well by then, it is sent nothing.

    Raises:
        StateError: the state cannot be read or written.
    """
    troubled: set[str] = set()
    sent: list[Sent] = []
    for condition in conditions:
        usable = [address for address in addresses if address.id not in troubled]
        for one in _announce(state, condition, usable):
            sent.append(one)
            if one.error is not None:
                troubled.add(one.address.id)
    return sent


def try_out(addresses: Sequence[Address]) -> list[Sent]:
    """Send each address a notice on trial: nothing is wrong, and nothing is noted."""
    notice = Notice(sync="candu-sync", owners=(), bad=(), at=dt.datetime.now(dt.UTC), trial=True,
                    well=(Standing(None, well="Notices arrive here. Nothing is wrong"),))
    return [_sent(address, notice) for address in addresses]


def _sent(address: Address, notice: Notice) -> Sent:
    """Send a notice, and say what became of it."""
    try:
        send(address, notice)
    except NotTaken as error:
        return Sent(notice.title, address, str(error))
    return Sent(notice.title, address)


def _announce(state: State, condition: Condition, addresses: Sequence[Address]) -> Iterator[Sent]:
    """The notices about one sync."""
    said = Announced.read(state.store, condition.sync)
    new = list(_news(condition, addresses, said))
    if not new or said.at_work or not said.take():
        return
    try:
        for address, notice in new:
            if not said.newest():
                return
            sent = _sent(address, notice)
            if sent.error is None:
                said.note(address.id, _codes(condition, said.said.get(address.id, {})))
            yield sent
    finally:
        if said.newest():
            said.done()


def _news(condition: Condition, addresses: Sequence[Address], said: Announced) -> Iterator[tuple[Address, Notice]]:
    """What each address does not know yet. An address that no longer gets the sync's notices is sent the end of what it
    knows of, and nothing else."""
    mine = addresses_for(addresses, condition.owners)
    for address in mine:
        if (notice := _notice(condition, said.said.get(address.id, {}))) is not None:
            yield address, notice
    ids = {address.id for address in mine}
    for address in {address.id: address for address in addresses if address.id not in ids}.values():
        notice = _notice(condition, said.said.get(address.id, {}))
        if notice is not None and said.said.get(address.id) and not any(s.codes for s in condition.standings):
            yield address, notice


def _notice(condition: Condition, before: dict[str, list[str]]) -> Notice | None:
    changed = [standing for standing in condition.standings
               if list(standing.codes) != before.get(standing.partition or "", [])]
    if not changed:
        return None
    return Notice(sync=condition.sync, owners=condition.owners, at=dt.datetime.now(dt.UTC),
                  bad=tuple(standing for standing in changed if standing.codes),
                  well=tuple(standing for standing in changed if not standing.codes))


def _codes(condition: Condition, before: dict[str, list[str]]) -> dict[str, list[str]]:
    """Partition → codes. What is not known now stays: a file that is wrong says nothing of its sync's partitions."""
    return before | {standing.partition or "": list(standing.codes) for standing in condition.standings}
