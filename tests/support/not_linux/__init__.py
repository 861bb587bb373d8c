"""What Linux alone has is taken away, as on macOS.

It is a pytest plugin (``-p tests.support.not_linux``). ``sitecustomize`` in this folder does the same in the processes
that tests start.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from candu_sync.state import processes

NAMES = {os: ("posix_fallocate", "posix_fadvise", "sched_getaffinity"), time: ("CLOCK_BOOTTIME",)}

for module, names in NAMES.items():
    for name in names:
        with contextlib.suppress(AttributeError):
            delattr(module, name)

processes.PROC = Path("/no-such-folder/proc")

_HERE = Path(__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join([str(_HERE), str(_HERE.parents[2])])
