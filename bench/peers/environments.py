"""Virtual environments of the other tools, made when they are first needed. That time is no part of a measurement."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench.process import Failed, run

PACKAGES = {
    "drt": ["drt-core==1.2.1", "duckdb==2.0.0", "pytz"],
    "dlt": ["dlt==1.31.0", "duckdb==2.0.0", "pyarrow==26.0.1"],
    "polars": ["polars"],
    "datacompy": ["datacompy", "polars", "pyarrow==26.0.1"],
}
"""Environment → what is installed. DuckDB and pyarrow as this project has them; datacompy holds polars back."""

SHOWN = {"drt": ["drt-core", "duckdb", "httpx"], "dlt": ["dlt", "duckdb", "requests"], "polars": ["polars"],
         "datacompy": ["datacompy", "polars"]}
"""Environment → whose versions the page names."""


def python_of(name: str, folder: Path) -> Path:
    """The Python of an environment, made if it is not there. Raises Failed."""
    home = folder / name
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        shutil.rmtree(home, ignore_errors=True)
        run([sys.executable, "-m", "venv", home])
        try:
            run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES[name]])
        except Failed as error:
            raise Failed(f"{name} cannot be installed: {error}") from None
        (home / "installed").touch()
    return python


def versions(python: Path | str, packages: list[str]) -> dict[str, str]:
    """Package → its version in the environment of a Python."""
    script = "import sys\nfrom importlib.metadata import version\nfor name in sys.argv[1:]: print(name, version(name))"
    out = run([python, "-c", script, *packages]).out
    return dict(line.split() for line in out.splitlines())
