"""A state that goes with its container is refused, or named in a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.errors import SettingsError
from candu_sync.simulator import Simulator
from candu_sync.state import check_lasting, lasting, short_lived
from tests.support.folder import Folder


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file as Docker puts it into each container."""
    (tmp_path / ".dockerenv").touch()
    monkeypatch.setattr(lasting, "MARKS", (tmp_path / "none", tmp_path / ".dockerenv"))


@pytest.mark.parametrize("url", [".candu_sync", "state/of/candu", "../state"])
class TestARelativeFolder:
    def test_it_is_good_on_a_machine(self, url: str) -> None:
        check_lasting(url)
        assert short_lived(url) is None

    @pytest.mark.parametrize("variable", sorted(lasting.ORCHESTRATORS))
    def test_it_is_refused_where_containers_last_for_one_run(self, url: str, variable: str,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(variable, "10.0.0.1")
        with pytest.raises(SettingsError) as refused:
            check_lasting(url)
        assert f"CANDU_STATE_URL is {url}, a relative folder, and {lasting.ORCHESTRATORS[variable]}" in str(
            refused.value)

    def test_it_is_refused_where_a_run_has_a_container_of_its_own(self, url: str) -> None:
        with pytest.raises(SettingsError, match="DockerRunLauncher gives each run a container"):
            check_lasting(url, launched_by="DockerRunLauncher")

    def test_there_is_a_warning_in_a_container(self, url: str, container: None) -> None:
        check_lasting(url)
        assert f"CANDU_STATE_URL is {url}, a relative folder, and this is a container" in (short_lived(url) or "")


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket", "az://container/x", "S3://bucket"])
def test_an_object_store_is_good_everywhere(url: str, container: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    check_lasting(url, launched_by="K8sRunLauncher")
    assert short_lived(url) is None


@pytest.mark.parametrize("url", ["/var/lib/candu", "file:///var/lib/candu", "~/candu"])
class TestAWholePath:
    def test_it_is_the_users_word(self, url: str, container: None) -> None:
        check_lasting(url, launched_by="K8sRunLauncher")
        assert short_lived(url) is None

    def test_without_a_volume_there_is_a_warning(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        check_lasting(url)
        assert "no volume is mounted there" in (short_lived(url) or "")


@pytest.mark.skipif(not Path("/dev/shm").is_mount(), reason="there is no /dev/shm")
def test_a_volume_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert short_lived("/dev/shm/candu/not/made/yet") is None


class TestCommands:
    def test_nothing_is_read_and_nothing_sent(self, project: Folder, simulator: Simulator,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        project.people(3)
        project.model("users/profile", "select * from people")
        for words in (("run", "users/profile"), ("plan", "users/profile"), ("baseline", "--all"), ("status",)):
            ended = project.cli(*words, state_url=".candu_sync")
            assert ended.code == 2, words
            assert "Kubernetes gives each run a container of its own" in ended.err
        assert simulator.requests() == []
        assert not (project.folder / ".candu_sync").exists()

    def test_a_warning_stands_on_stderr(self, project: Folder, container: None) -> None:
        project.people(3)
        project.model("users/profile", "select * from people")
        ended = project.cli("run", "users/profile", "--json", state_url=".candu_sync")
        assert ended.code == 0
        assert ended.row["accepted"] == 3
        assert ended.err.startswith("candu-sync: CANDU_STATE_URL is .candu_sync, a relative folder, and this is a "
                                    "container")
