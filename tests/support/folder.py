"""A project as a user has it: a folder, settings in the environment, and the command ``candu-sync``.

    project = Folder(tmp_path, simulator)
    project.table("people", user_id=["u1", "u2"], plan=["pro", "free"])
    project.model("users/profile", "select * from people")
    assert project.cli("run", "users/profile").code == 0
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from candu_sync.cli import main
from tests.support.lab import Lab

EXECUTABLE = Path(sys.executable).with_name("candu-sync")

# The fields of --json, in their order (docs/operate.md).
RESULT_KEYS = ["sync", "partition", "route", "run_id", "status", "rows", "added", "changed", "removed", "unchanged",
               "refreshed", "invalid", "messages", "accepted", "refused", "waiting", "requests", "retries", "traits",
               "new_traits", "noise", "reasons", "unidentified", "guard", "read", "seconds", "error", "rejected",
               "unsent"]
SECONDS_KEYS = ["read", "diff", "push", "commit", "total"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Row]:
        """The JSON objects of stdout, one a line; anything else in it is an error."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> Row:
        """The one JSON object of stdout."""
        rows = self.rows
        assert len(rows) == 1, rows
        return rows[0]


class Folder(Lab):
    """A project's folder. The output of each command is searched for a traceback, and for what must not be shown:
    the API key, and the texts in ``secrets``."""

    secrets: tuple[str, ...] = ()

    def model(self, name: str, sql: str, yaml: str | None = None) -> None:
        """Write a model, and its settings where there are any; right or wrong."""
        path = self.sql / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
        if yaml is not None:
            path.with_suffix(".yaml").write_text(yaml)

    def people(self, count: int, **columns: str) -> None:
        """Make the table people with the users u0, u1, …: a plan, and columns given as SQL over ``i``."""
        more = "".join(f", {sql} as {name}" for name, sql in columns.items())
        self.query(f"create or replace table people as select 'u' || i as user_id, "
                   f"if(i % 2 = 0, 'pro', 'free') as plan{more} from range({count}) t(i)")

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of a command; ``settings`` are named as in ``Settings``, an empty text is none."""
        ours = {name.upper() if name.startswith("segment_") else f"CANDU_{name.upper()}": str(value)
                for name, value in {**self.overrides, **settings}.items()}
        return {k: v for k, v in os.environ.items() if not k.startswith(("CANDU_", "SEGMENT_"))} | ours

    def cli(self, *words: str, **settings: str) -> Ended:
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.chdir(self.folder)
            for name in os.environ.keys() - self.environment(**settings).keys():
                patch.delenv(name)
            # --workspace sets it.
            for name, value in {"CANDU_WORKSPACE": "", **self.environment(**settings)}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["candu-sync", *words])
            with pytest.raises(SystemExit) as exited:
                main()
        return self._looked_through(Ended(int(exited.value.code or 0), out.getvalue(), err.getvalue()), settings)

    def execute(self, *words: str, **settings: str) -> Ended:
        """Run the installed command as a user does."""
        return self.ended(self.start(*words, **settings))

    def start(self, *words: str, **settings: str) -> subprocess.Popen[str]:
        """Start the installed command, and leave it running."""
        return subprocess.Popen([EXECUTABLE, *words], cwd=self.folder, env=self.environment(**settings), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a command that was started."""
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
        return self._looked_through(Ended(process.returncode, out, err), {})

    def state_files(self) -> dict[str, bytes]:
        """Every file of the state folder by name."""
        root = self.folder / "state"
        return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}

    def _looked_through(self, ended: Ended, settings: dict[str, str]) -> Ended:
        said = ended.out + ended.err
        assert "Traceback" not in said, said
        key = str(settings.get("api_key", self.overrides["api_key"]))
        for secret in (key, str(self.overrides.get("segment_write_key", "")), *self.secrets):
            assert not secret or secret not in said, f"{secret} is in:\n{said}"
        return ended
