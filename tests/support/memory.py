"""The memory that a process took."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mb() -> int:
    """The most memory that this process has had in use, in MB (10^6 bytes).

    ``resource.getrusage`` would not do: on Linux a child begins with the peak of the process that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 // 1_000_000
