"""The lineage of traits is worked out once, and anew when anything that it depends on has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from candu_sync.dbt import kept_lineage, lineage
from candu_sync.state import State
from candu_sync.state.sync_file import SyncFile
from tests.support.lab import Lab
from tests.support.manifests import model, write

pytest.importorskip("sqlglot")

PLAN = "select user_id, plan, upper(tier) || region as score from {{ ref('u') }}"
FOUND = {"plan": ((("u",), "plan"),), "score": ((("u",), "region"), (("u",), "tier"))}
TRAITS = ("plan", "score")


class Watched:
    """A lineage file that counts what is written."""

    def __init__(self, file: SyncFile) -> None:
        self.file = file
        self.written = 0

    def read(self) -> dict[str, Any]:
        return self.file.read()

    def write(self, body: dict[str, Any]) -> None:
        self.written += 1
        self.file.write(body)


@pytest.fixture
def kept(tmp_path: Path) -> Watched:
    return Watched(State(str(tmp_path / "state")).file_of("users/profile", "lineage.json"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write(tmp_path, model("u"))


def test_it_is_worked_out_once_for_all_processes(lab: Lab, manifest: Path, kept: Watched,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    sync = lab.sync("users/profile", PLAN)
    assert lineage.trait_lineage(sync, TRAITS, manifest, kept) == FOUND
    monkeypatch.setattr(lineage, "_made_of", lambda *_: pytest.fail("it is known"))
    assert lineage.trait_lineage(sync, TRAITS, manifest, kept) == FOUND
    assert kept.written == 1


def test_none_is_remembered_too(lab: Lab, manifest: Path, kept: Watched) -> None:
    sync = lab.sync("users/profile", "select user_id, 1 as plan from {{ ref('u') }} where !!")
    assert [lineage.trait_lineage(sync, TRAITS, manifest, kept) for _ in range(2)] == [{}, {}]
    assert kept.written == 1


@pytest.mark.parametrize("other", ["sql", "yaml", "traits", "described", "asset", "adapter", "sqlglot", "code"])
def test_it_is_worked_out_anew_when_something_changes(lab: Lab, tmp_path: Path, manifest: Path, kept: Watched,
                                                      monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    kept_lineage._code.cache_clear()
    lineage.trait_lineage(lab.sync("users/profile", PLAN), TRAITS, manifest, kept)
    sql = PLAN.replace("tier", "seats") if other == "sql" else PLAN
    traits = ("plan",) if other == "traits" else TRAITS
    properties: dict[str, Any] = {"config": {"schema": "marts"}} if other == "asset" else {}
    columns = ("user_id", "plan", "tier", "region") if other == "described" else ()
    adapter = "postgres" if other == "adapter" else "duckdb"
    changed = write(tmp_path, model("u", *columns, **properties), adapter=adapter)
    if other == "sqlglot":
        monkeypatch.setattr(kept_lineage, "version", lambda _: "999")
    if other == "code":
        monkeypatch.setattr(kept_lineage.pkgutil, "get_data", lambda *_: b"else")
    if other in ("sqlglot", "code"):
        kept_lineage._code.cache_clear()
    sync = lab.sync("users/profile", sql, "rename: {plan: score, score: plan}" if other == "yaml" else "")
    assert lineage.trait_lineage(sync, traits, changed, kept) == lineage.trait_lineage(sync, traits, changed)
    assert kept.written == 2
    kept_lineage._code.cache_clear()


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"[1]", b"3"])
def test_a_file_that_cannot_be_read_is_written_anew(lab: Lab, tmp_path: Path, manifest: Path, kept: Watched,
                                                    damaged: bytes) -> None:
    (tmp_path / "state/users.profile").mkdir()
    path = tmp_path / "state/users.profile/lineage.json"
    path.write_bytes(damaged)
    sync = lab.sync("users/profile", PLAN)
    assert [lineage.trait_lineage(sync, TRAITS, manifest, kept) for _ in range(2)] == [FOUND, FOUND]
    assert kept.written == 1


def test_the_file_is_no_partition(kept: Watched, tmp_path: Path) -> None:
    kept.write({"of": "x"})
    assert State(str(tmp_path / "state")).partitions("users/profile") == []
