"""A pytest plugin: what Linux alone has is taken away. ``pytest -p tests.support.other_systems tests/state``."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from candu_sync.state import processes

NAMES = {os: ("posix_fallocate", "posix_fadvise", "sched_getaffinity"),
         time: ("CLOCK_BOOTTIME",)}

for module, names in NAMES.items():
    for name in names:
        with contextlib.suppress(AttributeError):
            delattr(module, name)

processes.PROC = Path("/no-such-folder/proc")
