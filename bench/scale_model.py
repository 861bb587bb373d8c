"""What so many users need: shards, workers' hours, the warehouse's, requests, bytes; and what takes longest.

A resource's hours are what its work takes when it does nothing else, on as many processors as there are of it. All of
them work side by side, so the longest is how long the whole takes: the bottleneck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.scale_costs import Costs

MOST_SHARDS = 1_000
LARGEST_MEASURED = 1_600_000
"""Rows of a shard."""

TRAITS = 20
"""Of the rows that the costs were measured with."""

RESOURCES = {"candu": "Candu's rate", "warehouse": "the warehouse", "workers": "the workers", "network": "the network",
             "store": "the store"}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is to be planned.

    Attributes:
        users, traits: of the sync.
        changed: share of the users that changes in a day; one run finds them, and all others find nothing.
        runs: a day.
        rate, batch: requests a second to Candu, and messages of each.
        workers: processes at a time, each with a processor of its own.
        warehouse: processors of the warehouse.
        shard_rows: rows of a shard, at most, as far as there may be so many shards.
        clustered: whether the warehouse reads only the rows of a shard that is asked for; if not, each shard reads
            the whole table.
    """

    users: int
    traits: int = TRAITS
    changed: float = 0.01
    runs: int = 24
    rate: float = 10
    batch: int = 100
    workers: int = 4
    warehouse: int = 16
    shard_rows: int = 1_600_000
    clustered: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a number of runs takes.

    Attributes:
        hours: of each resource.
        messages, requests: to Candu.
        store_requests: to the store.
        gb: from the warehouse to the workers, and from there to Candu.
    """

    hours: dict[str, float]
    messages: float
    requests: float
    store_requests: float
    gb: float

    @property
    def bottleneck(self) -> str:
        """The resource that takes longest."""
        return max(self.hours, key=lambda name: self.hours[name])

    @property
    def longest(self) -> float:
        """Hours of all of it."""
        return max(self.hours.values())


class Model:
    """The figures of a setup."""

    def __init__(self, setup: Setup, costs: Costs) -> None:
        self.setup = setup
        self.costs = costs
        self._wider = setup.traits / TRAITS

    @property
    def shards(self) -> int:
        """How many: 1, or a multiple of 8."""
        needed = self.setup.users / self.setup.shard_rows
        return 1 if needed <= 1 else min(MOST_SHARDS, 8 * math.ceil(needed / 8))

    @property
    def worker_mb(self) -> float:
        """Peak memory of a process, at most; nan: a shard has more rows than any that was measured."""
        return self._cost("worker_mb") if self.setup.users <= self.shards * LARGEST_MEASURED else math.nan

    @property
    def state_gb(self) -> float:
        return self.setup.users * self._cost("state_bytes") * self._wider / 1e9

    @property
    def scan_hours(self) -> float:
        """The warehouse's hours for the hashes of all shards once."""
        scans = 1 if self.shards == 1 or self.setup.clustered else self.shards
        a_row = self._cost("scan" if self.shards == 1 else "shard_scan") * self._wider
        return self.setup.users * scans * a_row / 1e6 / self.setup.warehouse / 3600

    def first(self) -> Work:
        """A first run: every row travels and is sent."""
        users = self.setup.users
        a_row = (self._cost("first") + self._cost("push") + self._cost("commit")) * self._wider
        out = users * self._cost("message_bytes") * self._wider
        return self._work(scans=1, cpu=users * a_row, sent=users, out=out,
                          read=users * self._cost("row_bytes") * self._wider)

    def unchanged(self) -> Work:
        """A run in which nothing changed."""
        users = self.setup.users
        return self._work(scans=1, cpu=users * self._cost("look_up"), sent=0, out=0,
                          read=users * self._cost("hash_bytes"))

    def changes(self) -> Work:
        """The run that finds what changed: the rows that differ are asked for by a second query."""
        users, sent = self.setup.users, self.setup.users * self.setup.changed
        cpu = users * (self._cost("look_up") + self._cost("compare")) + sent * self._cost("push_one")
        read = users * self._cost("hash_bytes") + sent * self._cost("row_bytes") * self._wider
        return self._work(scans=2, cpu=cpu, sent=sent, out=sent * self._cost("one_bytes"), read=read)

    def day(self) -> Work:
        """All runs of a day, one of which finds what changed."""
        one, others = self.changes(), self.unchanged()
        times = self.setup.runs - 1
        return Work(hours={name: hours + times * others.hours[name] for name, hours in one.hours.items()},
                    messages=one.messages, requests=one.requests,
                    store_requests=one.store_requests + times * others.store_requests,
                    gb=one.gb + times * others.gb)

    @property
    def start_hours(self) -> float:
        """Hours of the workers in which the runs of all shards are started, once."""
        return self.shards * self._cost("dagster") / self.setup.workers / 3600

    @property
    def dagster_gb(self) -> float:
        """What a day's runs write into Dagster's storage."""
        return self.setup.runs * self.shards * self._cost("dagster_kb") / 1e6

    def _work(self, *, scans: int, cpu: float, sent: float, out: float, read: float) -> Work:
        """One run.

        Args:
            cpu: µs of the workers, without their starts.
            sent: messages.
            out, read: bytes to Candu, and from the warehouse.
        """
        setup, requests = self.setup, sent / self.setup.batch
        asked = self.shards * self._cost("first_requests" if sent else "same_requests") + requests
        seconds = {"candu": requests / setup.rate, "workers": cpu / 1e6 / setup.workers + self.start_hours * 3600,
                   "network": (read + out) / 1e6 / self._cost("network_mb"),
                   "store": asked * self._cost("store_ms") / 1e3 / setup.workers}
        return Work(hours={"warehouse": scans * self.scan_hours, **{name: s / 3600 for name, s in seconds.items()}},
                    messages=sent, requests=requests, store_requests=asked, gb=(read + out) / 1e9)

    def _cost(self, name: str) -> float:
        return self.costs[name].value


def most_users(setup: Setup, costs: Costs, hours: Callable[[Model], float], limit: float) -> float:
    """Up to how many users something takes at most so many hours; inf: more than 10^12."""
    low, high = 1.0, 1e12
    if hours(Model(replace(setup, users=int(high)), costs)) <= limit:
        return math.inf
    for _ in range(60):
        middle = math.sqrt(low * high)
        if hours(Model(replace(setup, users=int(middle)), costs)) <= limit:
            low = middle
        else:
            high = middle
    return low
