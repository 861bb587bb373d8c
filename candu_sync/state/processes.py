"""Which process on which machine this is, so that another process can find out whether it still runs.

A host name and a process number are not enough: containers may share a host name, and each may have a process table of
its own. A boot id and a PID namespace say which process table a number belongs to.
"""

from __future__ import annotations

import functools
import os
import uuid
from pathlib import Path

# Linux has it; macOS and others have not.
PROC = Path("/proc")


def boot_id() -> str:
    """The running system's id: new at each boot, and the same in all containers of one kernel (random(4)).

    Without such an id, the hardware address is used. Empty: this system cannot be distinguished from others.
    """
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        pass
    if PROC.exists():
        return ""  # a container that hides it may share the hardware address with another
    node = uuid.getnode()
    # uuid.getnode: an address that was made up, because none was found, has its multicast bit set.
    return "" if node >> 40 & 1 else f"{node:012x}"


def pid_namespace() -> str:
    """The process table that this process sees (pid_namespaces(7)); ``-``: this system has one table only.

    Empty: there may be several, and this one is not known.
    """
    try:
        return str((PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return "" if PROC.exists() else "-"


def process_id() -> str:
    """A random id of this process; a child that was forked from it has another."""
    return _random_id(os.getpid())


@functools.lru_cache(maxsize=1)
def _random_id(_: int) -> str:
    return uuid.uuid4().hex


def started(pid: int) -> str:
    """When a process that this one sees began, in clock ticks since boot (proc_pid_stat(5), field 22).

    A zombie (field 3) is dead, though its parent has not asked yet. Without ``/proc``, a signal asks for the process,
    and the answer is ``running`` for any process of that number. Empty: there is none.
    """
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        pass
    if (PROC / "self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "running"
    return "running"
