"""Several workspaces of Candu: settings under a name, and sentences that use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.errors import SettingsError
from candu_sync.routes import SEGMENT
from candu_sync.settings import in_words, load_settings
from candu_sync.simulator import Simulator
from candu_sync.workspaces import chosen_workspace
from tests.support.folder import Folder


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def test_none_of_its_settings_is_that_of_another_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_API_KEY", "the-other-key")
    monkeypatch.setenv("CANDU_EU_BATCH_SIZE", "7")
    settings = load_settings("eu")
    assert (settings.workspace, settings.api_key, settings.batch_size) == ("eu", None, 7)
    assert settings.state_url == ".candu_sync_eu"


def test_segments_settings_have_the_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write key of another workspace would send these people to the other one's source."""
    monkeypatch.setenv("SEGMENT_WRITE_KEY", "the-other-key")
    monkeypatch.setenv("SEGMENT_API_URL", "https://other.example")
    without = load_settings("eu")
    assert (without.segment_write_key, without.segment_api_url) == (None, "https://api.segment.io")
    Path(".env").write_text("SEGMENT_EU_WRITE_KEY=mine\nSEGMENT_EU_API_URL=https://events.eu1.segmentapis.com/\n")
    settings = load_settings("eu")
    assert (settings.key_of(SEGMENT), settings.url_of(SEGMENT)) == ("mine", "https://events.eu1.segmentapis.com")
    assert load_settings("").key_of(SEGMENT) == "the-other-key"
    monkeypatch.setenv("SEGMENT_EU_API_URL", "api.segment.io")
    with pytest.raises(SettingsError, match=r"^SEGMENT_EU_API_URL must be"):
        load_settings("eu")
    assert in_words("eu", "set SEGMENT_WRITE_KEY") == "set SEGMENT_EU_WRITE_KEY"


@pytest.mark.parametrize("name", ["EU", "e u", "users", "eu-1", "_eu", "1eu", "eu__1", "sync"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(SettingsError, match="small letters"):
        chosen_workspace(name)


def test_wrong_settings_are_named_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_EU_RATE", "much")
    with pytest.raises(SettingsError, match=r"^CANDU_EU_RATE must be a number"):
        load_settings("eu")


def test_settings_of_other_workspaces_are_not_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_EU_API_KEY", "key")
    monkeypatch.setenv("CANDU_EU_STATE_URL", "eu")
    monkeypatch.setenv("CANDU_EU_STAT_URL", "eu")
    assert [text for text in load_settings().warnings if "CANDU_EU_STATE_URL " in text or "CANDU_EU_API" in text] == []
    assert any("CANDU_EU_STAT_URL" in text and "did you mean CANDU_EU_STATE_URL" in text
               for text in load_settings("eu").warnings)


def test_the_commands_work_for_one_workspace(project: Folder) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    with Simulator(key="eu-key") as eu:
        mine = {"eu_api_key": eu.key, "eu_api_url": eu.url, "eu_sql_dir": str(project.sql),
                "eu_warehouse_url": str(project.overrides["warehouse_url"])}
        found = project.cli("--workspace", "eu", "run", "users/profile", **mine)
        assert (found.code, len(eu.users()), len(eu.requests())) == (0, 3, 1), found.err
        again = project.cli("run", "users/profile", workspace="eu", **mine)
        assert (again.code, len(eu.requests())) == (0, 1), again.err
    assert (project.folder / ".candu_sync_eu").is_dir()
    assert not (project.folder / "state").exists()


def test_messages_name_settings_and_commands_of_the_workspace(project: Folder) -> None:
    project.model("users/profile", "select * from people")
    mine = {"eu_api_key": "k", "eu_sql_dir": str(project.sql)}
    missing = project.cli("--workspace", "eu", "plan", "users/profile", **mine)
    assert (missing.code, "CANDU_EU_WAREHOUSE_URL is not set" in missing.err) == (2, True), missing.err
    nothing = project.cli("--workspace", "eu", "push", "users/profile", **mine)
    assert "`candu-sync --workspace eu plan users/profile --save`" in nothing.err, nothing.err


def test_a_wrong_name_is_refused_before_anything_is_read(project: Folder) -> None:
    found = project.cli("--workspace", "Eu 1", "list")
    assert (found.code, "small letters" in found.err) == (2, True)
