"""What was measured, in a JSON file that is written again after each measurement."""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.process import Failed

Run = dict[str, Any]

# What the line of a measurement shows.
_SHOWN = (("seconds", "s"), ("wall", "s whole"), ("cpu", "s CPU"), ("peak_mb", "MB"), ("rate", "/s"),
          ("mb_per_million", "MB a million"))


class Book:
    """Measurements by name, such as ``whole/duckdb/1000000/changed``.

    Args:
        path: the JSON file; it may be there from before.
        resume: what is in it is not measured again.
        say: where a line for each measurement goes.
        commit: the one that is measured. Where only a part is measured again, the rest stays that of an earlier one.
    """

    def __init__(self, path: Path, *, resume: bool = False, say: Callable[[str], None] = lambda _: None,
                 commit: str = "unknown") -> None:
        self.path = path
        self._commit = commit
        self._resume = resume
        self.say = say
        self.records: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def wants(self, *names: str) -> bool:
        """Whether one of these is still to be measured."""
        return not self._resume or any(not self._complete(name) for name in names)

    def _complete(self, name: str) -> bool:
        record = self.records.get(name)
        return record is not None and (record["failed"] is not None or len(record["runs"]) >= record["wanted"])

    def measure(self, name: str, once: Callable[[], Run], runs: int) -> None:
        """Call ``once`` so many times and write down what it returns; a failure is written down, not raised."""
        self.measure_by_turns({name: once}, runs)

    def measure_by_turns(self, calls: Mapping[str, Callable[[], Run]], runs: int) -> None:
        """Measure several things that are compared, one after the other, so many times: what else the machine does
        meanwhile then falls on all of them."""
        found = {name: self._found(name) for name in calls if self.wants(name)}
        turns = self._turns(list(calls))
        for turn in range(runs):
            for name in [name for name, there in found.items() if len(there) <= turn]:
                try:
                    found[name].append(calls[name]())
                except Failed as error:
                    self.fail(name, str(error))
                    del found[name]
                else:
                    self._write(name, {"runs": found[name], "wanted": runs, "failed": None, "turns": turns})
        for name in found:
            self.say(self._line(name))

    def _turns(self, names: list[str]) -> str:
        """What the measurements of these names have in common; an interrupted bench goes on with its own."""
        there = [self.records[name].get("turns") for name in names if name in self.records] if self._resume else []
        return next((turns for turns in there if turns), uuid.uuid4().hex)

    def comparable(self, name: str, other: str) -> bool:
        """Whether two things were measured by turns. A part of the bench that is made again leaves older numbers."""
        a, b = (self.records.get(each, {}).get("turns") for each in (name, other))
        return bool(a == b)

    def _found(self, name: str) -> list[Run]:
        """The runs that an interrupted bench has left."""
        return list(self.records.get(name, {}).get("runs", [])) if self._resume else []

    def fail(self, name: str, reason: str) -> None:
        """Write down that something could not be measured."""
        self._write(name, {"runs": [], "wanted": 0, "failed": reason})
        self.say(self._line(name))

    def _write(self, name: str, record: dict[str, Any]) -> None:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self.records[name] = {**record, "commit": self._commit, "at": now}
        self._save()

    def commits(self) -> list[str]:
        """The commits that were measured, the newest last."""
        dated = sorted((record["at"], record.get("commit", "unknown")) for name, record in self.records.items()
                       if name != "about")
        return list(dict.fromkeys(commit for _, commit in reversed(dated)))[::-1]

    def about(self, facts: dict[str, str]) -> None:
        """Write down the machine and the versions."""
        self.records["about"] = facts
        self._save()

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.records, indent=1))
        os.replace(new, self.path)

    def _line(self, name: str) -> str:
        if (failed := self.failed(name)) is not None:
            return f"{name:<52} failed: {failed}"
        shown = [f"{value:9.2f} {unit}" for field, unit in _SHOWN if (value := self.get(name, field)) is not None]
        return f"{name:<52}{' '.join(shown)}"

    def get(self, name: str, field: str = "seconds") -> float | None:
        """The median of a number over the runs; None: it was not measured, or failed."""
        runs = self.records.get(name, {}).get("runs", [])
        values = [float(run[field]) for run in map(_flat, runs) if run.get(field) is not None]
        return median(values) if values and self.failed(name) is None else None

    def worst(self, name: str, field: str) -> float | None:
        """The largest of a number over the runs."""
        runs = self.records.get(name, {}).get("runs", [])
        return max((float(run[field]) for run in runs if run.get(field) is not None), default=None)

    def runs(self, name: str) -> int:
        return len(self.records.get(name, {}).get("runs", []))

    def failed(self, name: str) -> str | None:
        """Why it failed; None: it did not, or was not measured."""
        reason = self.records.get(name, {}).get("failed")
        return None if reason is None else str(reason)


def _flat(run: Run) -> Run:
    """A run with the seconds of its phases."""
    return {**run.get("phases", {}), **run}
