"""The state without what Linux alone has: as on macOS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The tests of the modules that ask for what Linux alone has, and of those that go by their answers.
MODULES = ("claims", "machine_file", "partition_state", "receipts", "root", "scratch", "store", "versions")


@pytest.mark.slow
def test_the_rooms_tests_pass_without_what_linux_alone_has() -> None:
    words = ["-p", "tests.support.not_linux", "-q", "-x", "--no-header", "-p", "no:cacheprovider",
             *(f"tests/state/test_{module}.py" for module in MODULES)]
    ended = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    assert ended.returncode == 0, ended.stdout[-3000:]
