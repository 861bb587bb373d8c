"""How dbt's last runs ended, by ``run_results.json``
(https://docs.getdbt.com/reference/artifacts/run-results-json).

dbt writes the file beside the manifest and replaces it with each command. dagster-dbt gives each run a folder of its
own below that one. So there may be several files, and the newest counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from candu_sync.dbt.manifest import ManifestError
from candu_sync.dbt.nodes import text

__all__ = ["LastRuns", "TestResult"]

_FILE = "run_results.json"

# Of more folders, those of the oldest runs are not looked at.
_MOST_FILES = 200

# Others, such as compile, have a result for a model that they did not build.
_BUILDING = ("build", "run", "seed", "snapshot", "retry", "clone")


@dataclass(frozen=True)
class TestResult:
    """How a test ended.

    Attributes:
        status: dbt's word: pass, warn, fail, error, skipped …
        at: when the results were written, as dbt writes it.
    """

    __test__ = False  # not one of pytest's

    status: str
    at: str


@dataclass(frozen=True)
class _Run:
    statuses: Mapping[str, str]
    at: str
    builds: bool


class LastRuns:
    """The results in a folder, that of the manifest. Files are read when they are needed, the newest first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[_Run] = []
        self._unread: list[Path] | None = None

    @property
    def named(self) -> str:
        """The file, for people."""
        return str(self._folder / _FILE)

    def since_built(self, node: str, tests: Collection[str]) -> dict[str, TestResult]:
        """The newest result of each test, since the node was built; those without one are left out.

        Raises:
            ManifestError: a file cannot be read, or there is none.
        """
        found: dict[str, TestResult] = {}
        for run in self._newest_first():
            for test in tests:
                if test in run.statuses:
                    found.setdefault(test, TestResult(run.statuses[test], run.at))
            if len(found) == len(tests) or (run.builds and node in run.statuses):
                break
        return found

    def _newest_first(self) -> Iterator[_Run]:
        yield from self._runs
        if self._unread is None:
            self._unread = self._files()
        while self._unread:
            self._runs.append(_read(self._unread.pop()))
            yield self._runs[-1]

    def _files(self) -> list[Path]:
        """The files, the newest last."""
        try:
            files = {path: path.stat().st_mtime_ns for path in (self._folder / _FILE, *self._folder.glob(f"*/{_FILE}"))
                     if path.is_file()}
        except OSError as error:
            raise ManifestError(f"{self._folder} cannot be read ({error.strerror})") from None
        if not files:
            raise ManifestError(f"there is no {self.named}: dbt writes it when it builds and tests. Keep it beside "
                                "the manifest")
        return sorted(files, key=files.__getitem__)[-_MOST_FILES:]


def _read(path: Path) -> _Run:
    try:
        body: dict[str, Any] = orjson.loads(path.read_bytes())
        statuses = {text(result["unique_id"]): text(result["status"]) for result in body["results"]}
        builds = (body.get("args") or {}).get("which") in _BUILDING
        return _Run(statuses, text(body["metadata"]["generated_at"]), builds)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ManifestError(f"{path} holds no results of dbt's, or not all of them") from None
