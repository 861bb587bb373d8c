"""A state belongs to one workspace of Candu: another URL or another key is never taken for the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from candu_sync.errors import DamagedState, OtherWorkspace
from candu_sync.routes import CANDU
from candu_sync.simulator import Simulator
from candu_sync.state import State
from tests.support.folder import Folder

URL = "https://api.candu.ai/api"


@pytest.fixture
def other() -> Iterator[Simulator]:
    """Another workspace, empty."""
    with Simulator(key="other-key") as simulator:
        yield simulator


@pytest.fixture
def filled(project: Folder) -> Folder:
    """Three users are sent."""
    project.people(3)
    project.model("users/profile", "select * from people")
    assert project.cli("run", "users/profile").code == 0
    return project


def stored(project: Folder) -> Path:
    return project.folder / "state" / "destination.json"


class TestDestination:
    def test_a_new_state_takes_any(self, tmp_path: Path) -> None:
        State(str(tmp_path / "s")).destination(CANDU).check(URL, "key")

    def test_the_key_is_not_stored(self, tmp_path: Path) -> None:
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, "the-secret-key")
        text = (tmp_path / "s" / "destination.json").read_text()
        assert URL in text
        assert "secret" not in text

    @pytest.mark.parametrize("same", [URL + "/", "https://API.candu.ai/api", "https://api.candu.ai:443/api"])
    def test_another_way_to_write_an_address_is_the_same(self, tmp_path: Path, same: str) -> None:
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, "key")
        State(str(tmp_path / "s")).destination(CANDU).check(same, "key")

    @pytest.mark.parametrize("another", ["https://api.candu.ai/v2", "https://eu.candu.ai/api",
                                         "https://api.candu.ai:8443/api", "http://127.0.0.1:8800/api"])
    def test_another_address(self, tmp_path: Path, another: str) -> None:
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, "key")
        with pytest.raises(OtherWorkspace, match=r"belongs to Candu at https://api\.candu\.ai/api.*CANDU_STATE_URL"):
            State(str(tmp_path / "s")).destination(CANDU).check(another, "key", new_key=True)

    def test_a_key_that_is_not_known_yet_is_taken_on(self, tmp_path: Path) -> None:
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, None)
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, "key")
        with pytest.raises(OtherWorkspace, match="another API key"):
            State(str(tmp_path / "s")).destination(CANDU).check(URL, "another")

    def test_of_two_processes_that_begin_at_once_one_is_refused(self, tmp_path: Path) -> None:
        states = [State(str(tmp_path / "s")) for _ in range(2)]
        for state in states:
            state.destination(CANDU).check(URL, "key")
        states[0].destination(CANDU).take_on(URL, "key")
        with pytest.raises(OtherWorkspace):
            states[1].destination(CANDU).take_on("https://eu.candu.ai/api", "key")

    def test_many_threads_take_on_the_same(self, tmp_path: Path) -> None:
        destination = State(str(tmp_path / "s")).destination(CANDU)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: destination.take_on(URL, "key"), range(8)))
        State(str(tmp_path / "s")).destination(CANDU).check(URL, "key")

    @pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"url": 1}'])
    def test_a_file_that_cannot_be_read(self, tmp_path: Path, body: str) -> None:
        state = State(str(tmp_path / "s"))
        (tmp_path / "s" / "destination.json").write_text(body)
        with pytest.raises(DamagedState, match=r"destination\.json cannot be read"):
            state.destination(CANDU).check(URL, "key")


class TestCommands:
    @pytest.mark.parametrize("words", [("run", "users/profile"), ("plan", "users/profile"), ("run", "--all", "--json"),
                                       ("baseline", "users/profile"), ("check",)])
    def test_another_url_is_refused(self, filled: Folder, other: Simulator, words: tuple[str, ...]) -> None:
        """It was 300 unchanged, exit 0, and the other workspace had nothing."""
        ended = filled.cli(*words, api_url=other.url, api_key=other.key)
        assert ended.code == 2
        assert f"belongs to Candu at {filled.overrides['api_url']}" in ended.err
        assert "CANDU_STATE_URL" in ended.err
        assert "candu-sync reset --all" in ended.err
        assert other.messages() == []

    def test_another_state_is_what_to_do(self, filled: Folder, other: Simulator) -> None:
        ended = filled.cli("run", "users/profile", "--json", api_url=other.url, api_key=other.key,
                           state_url=str(filled.folder / "another"))
        assert ended.row["accepted"] == 3

    def test_a_reset_of_all_is_what_to_do(self, filled: Folder, other: Simulator) -> None:
        assert filled.cli("reset", "--all", "--yes", api_url=other.url, api_key=other.key).code == 0
        assert filled.cli("run", "--all", "--json", api_url=other.url, api_key=other.key).row["accepted"] == 3
        assert len(other.users()) == 3

    def test_a_reset_of_one_sync_is_not_enough(self, filled: Folder, other: Simulator) -> None:
        filled.model("users/more", "select user_id, plan as level from people")
        assert filled.cli("run", "users/more").code == 0
        filled.cli("reset", "users/more")
        assert filled.cli("run", "users/more", api_url=other.url, api_key=other.key).code == 2
        for file in (filled.sql / "users").glob("profile.*"):
            file.unlink()
        assert "still holds what was sent for users/profile" in filled.cli("reset", "--all", "--yes").err

    def test_another_key_is_asked_about(self, filled: Folder, simulator: Simulator) -> None:
        before = len(simulator.requests())
        ended = filled.cli("run", "users/profile", api_key="rotated")
        assert ended.code == 2
        assert "another API key" in ended.err
        assert "--new-key" in ended.err
        assert len(simulator.requests()) == before

    def test_a_rotated_key_is_taken_on(self, filled: Folder, other: Simulator) -> None:
        """The same address with another key, as the simulator's database is opened with one."""
        body = json.loads(stored(filled).read_text()) | {"url": other.url}
        stored(filled).write_text(json.dumps(body))
        filled.people(5)
        ended = filled.cli("run", "users/profile", "--new-key", "--json", api_url=other.url, api_key=other.key)
        assert ended.row["accepted"] == 2
        assert filled.cli("run", "users/profile", api_url=other.url, api_key=other.key).code == 0
        assert filled.cli("run", "users/profile", api_url=other.url, api_key="old").code == 2

    def test_a_staged_push_asks_too(self, filled: Folder, simulator: Simulator) -> None:
        filled.people(5)
        assert filled.cli("plan", "users/profile", "--save").code == 0
        refused = filled.cli("push", "users/profile", api_key="rotated")
        assert (refused.code, "--new-key" in refused.err) == (2, True)
        assert len(simulator.users()) == 3
        assert filled.cli("push", "users/profile").code == 0

    def test_what_only_looks_is_not_refused(self, filled: Folder) -> None:
        for words in (("list",), ("status",), ("check", "--offline"), ("rejected", "users/profile")):
            assert filled.cli(*words, api_url="http://127.0.0.1:1/api", api_key="x").code == 0

    def test_a_plan_needs_no_key(self, filled: Folder) -> None:
        assert filled.cli("plan", "users/profile", api_key="").code == 0

    def test_a_wrong_url_is_not_taken_on(self, project: Folder, other: Simulator) -> None:
        project.people(3)
        project.model("users/profile", "select * from people")
        assert project.cli("run", "users/profile", api_url="http://127.0.0.1:1/api").code == 1
        assert project.cli("run", "users/profile", api_key="wrong").code == 1
        assert not stored(project).exists()
        assert project.cli("run", "users/profile").code == 0

    def test_a_state_from_before_takes_on_its_workspace(self, filled: Folder, other: Simulator) -> None:
        stored(filled).unlink()
        assert filled.cli("run", "users/profile", "--json").row["requests"] == 0
        assert filled.cli("run", "users/profile", api_url=other.url, api_key=other.key).code == 2

    def test_a_baseline_takes_on_its_workspace(self, project: Folder, other: Simulator) -> None:
        project.people(3)
        project.model("users/profile", "select * from people")
        assert project.cli("baseline", "users/profile", api_key="").code == 0
        assert project.cli("run", "users/profile", api_url=other.url, api_key=other.key).code == 2


class TestEnvironment:
    """A laptop, or a branch deployment, is not production."""

    def test_a_state_of_production_is_refused_elsewhere(self, tmp_path: Path) -> None:
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, "key", "production")
        State(str(tmp_path / "s")).destination(CANDU).check(URL, "key", "production")
        for here, said in ((None, "not set"), ("staging", "staging")):
            with pytest.raises(OtherWorkspace, match=rf"of the environment production, .* is {said} here"):
                State(str(tmp_path / "s")).destination(CANDU).check(URL, None, here)

    def test_a_state_without_a_name_takes_one_on_and_keeps_its_key(self, tmp_path: Path) -> None:
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, "key")
        assert "environment" not in (tmp_path / "s" / "destination.json").read_text()
        State(str(tmp_path / "s")).destination(CANDU).take_on(URL, None, "production")
        with pytest.raises(OtherWorkspace, match="another API key"):
            State(str(tmp_path / "s")).destination(CANDU).check(URL, "other", "production")
        State(str(tmp_path / "s")).destination(CANDU).check(URL, "key", "production")

    def test_each_command_that_sends_or_stages_is_refused_and_looking_is_not(self, project: Folder) -> None:
        project.people(3)
        project.model("users/profile", "select * from people")
        assert project.cli("run", "users/profile", environment="production").code == 0
        project.people(4)
        for command in (("plan", "users/profile"), ("plan", "users/profile", "--save"), ("run", "users/profile"),
                        ("baseline", "users/profile"), ("reset", "users/profile"),
                        ("reset", "--all", "--yes"), ("rejected", "users/profile", "--retry"), ("forget", "u1"),
                        ("forget", "u1", "--undo"), ("rename", "users/profile", "users/other")):
            refused = project.cli(*command, environment="staging")
            assert (refused.code, "set CANDU_ENVIRONMENT=production" in refused.err) == (2, True), refused
        assert project.cli("status").code == 0
        assert project.cli("run", "users/profile", environment="production").code == 0


class TestKeyOfAnEnvironment:
    """A key with the name of its environment before it works nowhere else, also with a state of its own."""

    def test_it_is_sent_without_the_name(self, project: Folder) -> None:
        project.people(1)
        project.model("users/profile", "select * from people")
        key = f"production:{project.overrides['api_key']}"
        assert project.cli("run", "users/profile", api_key=key, environment="production").code == 0

    @pytest.mark.parametrize("here", ["", "staging"])
    def test_elsewhere_it_is_refused_and_not_shown(self, project: Folder, here: str) -> None:
        project.model("users/profile", "select 1 as user_id")
        refused = project.cli("run", "users/profile", api_key="production:very-secret", environment=here)
        assert refused.code == 2
        assert "is the key of another environment, by the name before its colon" in refused.err
        assert f"CANDU_ENVIRONMENT is {here or 'not set'} here" in refused.err
        assert "very-secret" not in refused.err
