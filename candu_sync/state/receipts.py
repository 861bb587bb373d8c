"""What became of each message, as the receipts of a run say it.

A receipt log is JSON lines, one for each request that went out and one for each answer:

    {"sent": [0, 99]}                                 about to go: messages 0 to 99
    {"accepted": [0, 99], "at": "…"}                  Candu said 2xx
    {"unsent": [0, 99]}                               Candu answered that it did not take them, or was not reached
    {"rejected": 7, "status": 422, "reason": "…", "at": "…"}    7 was alone in its request, and is set aside

A ``sent`` without ``accepted`` or ``unsent`` after it got no answer: Candu may have taken it. Each line ends with
``"crc"``, the CRC-32 of the line without it, as eight hexadecimal digits. A line that does not fit its checksum is
reported, and the others are read. ``receipt_log`` writes them.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from candu_sync.state.partition_state import PartitionState

_log = logging.getLogger(__name__)

_WHOLE = re.compile(rb'\{[^{}]*,"crc":"[0-9a-f]{8}"\}')
_CHECKSUM = re.compile(rb',"crc":"([0-9a-f]{8})"}$')


@dataclass(kw_only=True)
class Outcome:
    """What the receipts of a run say.

    Attributes:
        accepted: ranges of message numbers, both ends included.
        rejected: message number → (HTTP status, reason, time).
        accepted_at: when each range of ``accepted`` was answered, ISO 8601 in UTC.
        sent: the range of each request that went out.
        unanswered: range → how many requests with it went out without an answer: Candu may have taken each or not. Its
            answers to other requests with the same messages do not change that.
        damaged: lines that cannot be read.
    """

    accepted: list[tuple[int, int]] = field(default_factory=list)
    rejected: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    unanswered: Counter[tuple[int, int]] = field(default_factory=Counter)
    accepted_at: list[str] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)
    damaged: int = 0

    @property
    def settled(self) -> tuple[int, int]:
        """Messages accepted, and messages rejected."""
        return _count(self.accepted), len(self.rejected)

    @property
    def uncertain(self) -> list[tuple[int, int]]:
        """The ranges, in order, that went out at least once without an answer; none adjacent or overlapping."""
        return _merged(pair for pair, times in self.unanswered.items() if times > 0)

    @property
    def unknown(self) -> set[int]:
        """The messages that went out at least once without an answer, and that no answer came for since."""
        accepted = self.accepted_ranges
        numbers = {number for low, high in self.uncertain for number in range(low, high + 1)}
        return {number for number in numbers if number not in self.rejected
                and not any(low <= number <= high for low, high in accepted)}

    @property
    def accepted_ranges(self) -> list[tuple[int, int]]:
        """``accepted`` in order, none adjacent or overlapping."""
        return _merged(self.accepted)

    def note(self, line: dict[str, Any]) -> None:
        """Take in one line of a log.

        Raises:
            ValueError, TypeError, LookupError: it is none.
        """
        if "sent" in line:
            self.sent.append(_range(line["sent"]))
            self.unanswered[_range(line["sent"])] += 1
        elif "accepted" in line:
            at = line["at"]
            self.accepted.append(_range(line["accepted"]))
            self.accepted_at.append(at)
            self._answered(_range(line["accepted"]))
        elif "rejected" in line:
            # Thousands of rows may be refused with the same words.
            self.rejected[line["rejected"]] = (line["status"], sys.intern(line["reason"]), line["at"])
        elif "unsent" in line:
            self._answered(_range(line["unsent"]))
        else:
            raise ValueError("no receipt")

    def _answered(self, messages: tuple[int, int]) -> None:
        """The ``sent`` before an answer may be a damaged line: that answer must not count for a later ``sent``."""
        self.unanswered[messages] = max(0, self.unanswered[messages] - 1)


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def _count(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(high - low + 1 for low, high in ranges)


def _range(pair: list[int]) -> tuple[int, int]:
    return pair[0], pair[1]


def read_receipts(state: PartitionState, run_id: str) -> Outcome:
    """All that a run's log says.

    A last line without its end was cut off when the process was killed, and is left out. Any other line that cannot be
    read is damage: it is counted, and logged as a warning.

    Raises:
        StateError: the log cannot be read at all.
    """
    outcome = Outcome()
    for name in state.names(f"runs/{run_id}/receipts/"):
        damaged = _note_lines(outcome, state.store.get(name) or b"")
        outcome.damaged += damaged
        if damaged:
            _log.warning(
                "%s: %d of the receipts in %s cannot be read. Messages whose answer they held count as unanswered: "
                "they go again with the next run, and events among them are listed as uncertain", state.title, damaged,
                state.store.place(name))
    return outcome


def _note_lines(outcome: Outcome, data: bytes) -> int:
    """Take in the lines of one part; returns how many are damaged."""
    # The space that is reserved after the lines reads as zeros. So does what a power cut lost.
    *lines, rest = [line.strip(b"\0") for line in data.rstrip(b"\0").split(b"\n")]
    damaged = [line for line in lines if not _noted(outcome, line)]
    cut_off = [] if _noted(outcome, rest) else [rest]
    for line in damaged + cut_off:
        # Where a line's end was altered, it and the next one are one line; each is whole.
        for whole in _WHOLE.findall(line):
            _noted(outcome, whole)
    return len(damaged)


def _noted(outcome: Outcome, line: bytes) -> bool:
    """Take in a line; False: it is not what was written."""
    checksum = _CHECKSUM.search(line)
    if checksum is not None:
        line = line[:checksum.start()] + b"}"
        if zlib.crc32(line) != int(checksum[1], 16):
            return False
    try:
        outcome.note(json.loads(line))
    except (ValueError, TypeError, LookupError):
        return False
    return True


def local_folder(state: PartitionState, run_id: str, files: tuple[str, ...]) -> Path | None:
    """A run's staged files as one folder on this machine; None: they are not all there."""
    paths = [state.store.local(state.name("runs", run_id, file)) for file in files]
    return None if any(path is None for path in paths) or paths[0] is None else paths[0].parent


def ranges_table(ranges: Iterable[tuple[int, int]]) -> pa.Table:
    """Ranges of message numbers as a table (low int64, high int64), both ends included."""
    pairs = list(ranges)
    return pa.table({"low": pa.array([low for low, _ in pairs], pa.int64()),
                     "high": pa.array([high for _, high in pairs], pa.int64())})
