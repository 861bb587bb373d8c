"""A command whose process ends at a certain write to the state."""

from __future__ import annotations

import subprocess
import sys

from tests.support.folder import Folder

# Ends the process at the n-th write to the state, as a kill does.
_KILLED = """
import os, sys
from candu_sync.state.disk import DiskStore
from candu_sync.state.object_store import ObjectStore

left = int(sys.argv.pop(1))

def counted(method):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return method(*arguments, **options)
    return call

for store in DiskStore, ObjectStore:
    for name in "put", "copy", "delete":
        setattr(store, name, counted(getattr(store, name)))

from candu_sync.cli import main
main()
"""


def killed_at(project: Folder, step: int, *words: str) -> int:
    """The exit code of a command that is killed at the step-th write to the state; 9: it was."""
    return subprocess.run([sys.executable, "-c", _KILLED, str(step), *words], cwd=project.folder, check=False,
                          env=project.environment(), capture_output=True).returncode
