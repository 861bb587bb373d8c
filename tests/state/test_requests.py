"""What a run asks of an object store, counted where the requests arrive."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.serving import WSGIRequestHandler

from candu_sync import pipeline
from candu_sync.due import targets_of
from candu_sync.forgetting import forget
from candu_sync.simulator import Simulator
from candu_sync.state import State
from candu_sync.state.root_files import FRESH
from candu_sync.syncs import Sync
from tests.support.lab import Lab

# Those of a run in which nothing changed.
UNCHANGED = ["GET last/users.people/-.json", "LIST", "LIST users.people/-", "PUT last/users.people/-.json"]


@contextmanager
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests that the store gets in the block: a method, or LIST, and what of the state."""
    seen: list[str] = []
    run = WSGIRequestHandler.run_wsgi

    def noting(self: WSGIRequestHandler) -> None:
        seen.append(_named(self.command, self.path))
        run(self)

    with monkeypatch.context() as patch:
        patch.setattr(WSGIRequestHandler, "run_wsgi", noting)
        yield seen


def _named(method: str, path: str) -> str:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    if "list-type" in query:
        return f"LIST {query['prefix'][0].removeprefix('some/prefix').strip('/')}".strip()
    name = parts.path.partition("some/prefix/")[2]
    # Runs and digests have other names each time.
    name = re.sub(r"-[0-9a-f]{16}\.arrow", ".arrow", re.sub(r"[0-9T]{15}-[0-9a-f]{8}/", "", name))
    return f"{method} {name}".strip()


@pytest.fixture
def sync(lab: Lab, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """A sync of a thousand users that ran."""
    # A run may take long on a busy machine, and the root of the state is listed once all the same.
    monkeypatch.setattr("candu_sync.state.root_files.FRESH", 1_000 * FRESH)
    lab.overrides["state_url"] = s3_url
    lab.query("create table people as select 'u' || i as user_id, i as seats from range(1000) t(i)")
    sync = lab.sync("users/people", "select * from people")
    assert lab.run(sync).accepted == 1_000
    return sync


def test_a_run_in_which_nothing_changed(lab: Lab, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        with requests(monkeypatch) as seen:
            assert lab.run(sync).unchanged == 1_000
        assert seen == UNCHANGED


def test_a_run_with_changes_asks_for_no_file_twice(lab: Lab, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run(sync)
    lab.query("update people set seats = -1 where user_id = 'u7'")
    with requests(monkeypatch) as seen:
        assert lab.run(sync).accepted == 1
    files = Counter(request for request in seen if request.startswith("GET "))
    # Its record is read again at the end: another command may have written it while the push was under way.
    assert files.pop("GET last/users.people/-.json") == 2
    assert set(files.values()) == {1}, files
    assert not [request for request in seen if "renaming" in request or "invalid" in request]
    assert len(seen) <= 30, seen


def test_a_command_asks_no_more_than_that(lab: Lab, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run(sync)
    with requests(monkeypatch) as seen, lab.project() as project:
        [target] = targets_of(project, sync, [])
        assert pipeline.run(target).unchanged == 1_000
    assert seen == UNCHANGED


def test_what_another_process_changed_is_seen(lab: Lab, sync: Sync, simulator: Simulator,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a file counts only while the file is the one that it was made of."""
    lab.run(sync)
    lab.query("update people set seats = -1 where user_id = 'u7'")
    old = State(lab.overrides["state_url"], first=("users/people", None))
    before = old.begin("users/people", None)
    assert lab.run(sync).accepted == 1
    with before.seen_at_once():
        assert before.current().number == 2
    with requests(monkeypatch) as seen:
        assert lab.run(sync).unchanged == 1_000
    assert seen == UNCHANGED
    assert len(simulator.messages()) == 1_001


def test_a_claim_that_is_there_is_seen(lab: Lab, sync: Sync) -> None:
    state = lab.state(sync)
    state.store.put(state.name("claims/00000002.json"), b"{}")
    assert lab.run(sync).status == "succeeded"
    assert lab.state(sync).current().number == 2  # that of the dead run, with nothing new


def test_people_who_are_forgotten_are_asked_for(lab: Lab, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.project() as project:
        forget(project, {"users/people": sync}, "u5")
    with requests(monkeypatch) as seen:
        assert lab.run(sync).unchanged == 999
    assert "LIST forgotten" in seen


def test_a_damaged_file_is_found_when_it_is_read(lab: Lab, sync: Sync) -> None:
    """A run in which nothing changed reads the row index alone. The next one that needs the rows reports the damage."""
    state = lab.state(sync)
    base = state.current().files["base"]
    state.store.put(base.name, b"x" * base.bytes)
    assert lab.run(sync).status == "succeeded"
    lab.query("update people set seats = -1 where user_id = 'u7'")
    with pytest.raises(Exception, match="checksum"):
        lab.run(sync)


def test_a_record_where_an_earlier_version_had_it(lab: Lab, sync: Sync, tmp_path: Path) -> None:
    lab.overrides["state_url"] = str(tmp_path / "local")
    assert lab.run(sync).accepted == 1_000
    folder = Path(lab.overrides["state_url"])
    new, old = folder / "last/users.people/-.json", folder / "users.people/-/last.json"
    new.rename(old)
    new.parent.rmdir()
    assert lab.state(sync).read_record()["accepted"] == 1_000
    assert lab.run(sync).status == "succeeded"
    assert (new.exists(), old.exists(), len(lab.state(sync).read_record()["recent"])) == (True, False, 2)


def test_a_command_of_many_partitions_leaves_a_copy_of_their_records(lab: Lab, s3_url: str,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at all of them next reads no record by itself, but for those that changed since."""
    monkeypatch.setattr("candu_sync.state.standings._MANY", 2)
    keys = [f"p{number}" for number in range(20)]
    lab.overrides["state_url"] = s3_url
    lab.query("create table people as select 'u' || i as user_id, 'p' || i as region from range(20) t(i)")
    sync = lab.sync("users/people", "select user_id, user_id as name from people where region = :partition",
                    f"partitions: {{static: {keys}}}")
    with lab.project() as project:
        for target in targets_of(project, sync, []):
            assert pipeline.run(target).accepted == 1
    lists = ["LIST last/users.people", "LIST users.people"]
    with requests(monkeypatch) as seen:
        state = State(s3_url)
        assert {key: standing.record["rows"] for key, standing in state.standings(sync.name).items()} == dict.fromkeys(
            keys, 1)
    assert sorted(seen)[1:] == ["GET standings/users.people.json", "LIST", *lists]

    lab.query("insert into people values ('another', 'p7')")
    assert lab.run(sync, partition="p7").accepted == 1
    with requests(monkeypatch) as seen:
        assert State(s3_url).standings(sync.name)["p7"].record["rows"] == 2
    assert [name for name in seen if name.startswith("GET last/")] == ["GET last/users.people/p7.json"]
