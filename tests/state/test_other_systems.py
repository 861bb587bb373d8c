"""The state and the delivery without what Linux alone has: as on macOS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_rooms_tests_pass_without_what_linux_alone_has() -> None:
    words = ["-p", "tests.support.not_linux", "-q", "-x", "--no-header", "-p", "no:cacheprovider",
             "tests/state", "tests/delivery", "--ignore=tests/state/test_other_systems.py",
             "--ignore=tests/state/test_namespaces.py"]
    ended = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    assert ended.returncode == 0, ended.stdout[-3000:]
