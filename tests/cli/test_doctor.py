"""The command doctor as a person has it: consent, a terminal, answers from a file, the settings, and its page."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from candu_sync.cli import doctoring
from candu_sync.doctor import STEPS
from candu_sync.simulator import Simulator
from tests.support.folder import EXECUTABLE, Folder
from tests.support.serving import InThread
from tests.support.waiting import today

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")

# Settings that the doctor may change are those of .env.
IN_FILE = {"message_id": "", "nulls": "", "batch_size": "", "batch_growth": ""}

_PATIENCE = 20

ANSWERED = "\n".join(f"{step.name}: yes" for step in STEPS if step.question)


class _Server(InThread, ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def candu(simulator: Simulator) -> Iterator[str]:
    """The API of a simulator without its own pages: as Candu is, nobody can look into it."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: self.headers[name] for name in ("authorization", "content-type") if name in self.headers}
            known = self.path.startswith("/api/")
            answer = httpx.request(self.command, simulator.page.rstrip("/") + self.path, content=body,
                                   headers=headers) if known else httpx.Response(404)
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        yield f"http://127.0.0.1:{server.server_port}/api"


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, project: Folder, *words: str, **settings: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = project.environment(**settings) | {"COLUMNS": "300"}
        # Tests that run in the background ignore Ctrl-C, and so would the command.
        self._process = subprocess.Popen([EXECUTABLE, "doctor", *words], cwd=project.folder, stdin=theirs,
                                         stdout=theirs, stderr=theirs, env=environment,
                                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        os.close(theirs)
        self.shown = ""

    def until(self, text: str) -> str:
        """What was shown up to a text, since the last call."""
        while text not in self.shown:
            more = self._read()
            assert more, f"{text!r} is not in {self.shown}"
            self.shown += more
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """What Ctrl-C does. Python misses it in the instant between the prompt and the reading: then once more."""
        for _ in range(5):
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
                return

    def end(self) -> tuple[int, str]:
        """The exit code, and all that was still shown."""
        while (more := self._read()):
            self.shown += more
        return self._process.wait(_PATIENCE), self.shown

    def close(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def _read(self) -> str:
        """What is shown next; nothing at the end, and if nothing comes."""
        if not select.select([self._ours], [], [], _PATIENCE)[0]:
            return ""
        try:
            return os.read(self._ours, 65536).decode().replace("\r\n", "\n")
        except OSError:  # the other side is closed
            return ""


@pytest.fixture
def terminals() -> Iterator[Callable[..., Terminal]]:
    """Makes terminals, and ends what still runs on them."""
    made: list[Terminal] = []

    def make(project: Folder, *words: str, **settings: str) -> Terminal:
        made.append(Terminal(project, *words, **settings))
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()


@pytest.fixture
def env(project: Folder) -> Path:
    path = project.folder / ".env"
    path.write_text("# of the shop\nCANDU_BATCH_SIZE=50  # as Candu wrote us\n")
    return path


def test_the_page_shows_what_is_printed(simulator: Simulator, project: Folder, env: Path) -> None:
    date = today()
    ended = project.cli("doctor", **IN_FILE, rate="10")
    shown = PAGE.rpartition("```\n$ candu-sync doctor\n")[2].partition("\n```")[0]
    said = re.sub(r"candu-sync-doctor-[a-z0-9]{5}", "candu-sync-doctor-k3m7q", ended.out)
    said = re.sub(r"\d\d:\d\d:\d\d UTC", "13:20:05 UTC", said).replace(f":{simulator.port}/", ":8800/")
    said = said.replace(str(date - dt.timedelta(days=30)), "2026-10-29")
    assert said.rstrip() == shown
    assert (ended.code, ended.err) == (0, "")
    assert env.read_text() == ("# of the shop\nCANDU_BATCH_SIZE=100  # as Candu wrote us\n"
                               f"# candu-sync doctor, {date}, of {simulator.url}\nCANDU_NULLS=send\n"
                               "CANDU_BATCH_GROWTH=false\n")
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)))) | {"array_20"} == {
        step.name for step in STEPS}


def test_a_second_call_has_nothing_to_send_and_check_says_what_is_known(project: Folder, simulator: Simulator,
                                                                        env: Path) -> None:
    assert project.cli("doctor", **IN_FILE).code == 0
    sent = len(simulator.messages())
    again = project.cli("doctor", **IN_FILE)
    assert ".env has the settings that follow: CANDU_NULLS=send, CANDU_BATCH_SIZE=100" in again.out
    assert len(simulator.messages()) == sent
    project.people(1)
    project.model("users/profile", "select * from people")
    checked = project.cli("check")
    assert "100 messages in a request arrive; 200 messages in a request are refused" in checked.out
    assert "doctor" not in checked.err
    assert project.cli("check", "--json").rows
    for settings, warned in (({"batch_size": "200"}, "CANDU_BATCH_SIZE is 200, and the doctor found 100 to be right"),
                             ({"nulls": "omit"}, "CANDU_NULLS is omit, and the doctor found send to be right"),
                             ({"batch_size": "50"}, "")):
        odd = project.cli("check", **settings)
        assert (odd.code, "the doctor found" in odd.err) == (0, bool(warned))
        assert warned in odd.err


def test_on_a_terminal(project: Folder, simulator: Simulator, env: Path,
                       terminals: Callable[..., Terminal]) -> None:
    with candu(simulator) as url:
        terminal = terminals(project, api_url=url, **IN_FILE)
        shown = terminal.until("Send this, step by step? [y/N]: ")
        assert f"go to {url}" in shown
        assert "Candu has no call that removes them" in shown
        assert simulator.requests() == []
        terminal.type("y\n")
        assert "In Candu, open candu-sync-doctor-" in terminal.until("one identify? [yes/no/skip/quit] ")
        terminal.type("perhaps\ny\n")
        terminal.until("Type yes, no, skip or quit")
        for question, answer in (("2 for the second?", "yes"), ("Does it find", "s"), ("empty or gone?", "no")):
            terminal.until(question)
            terminal.until("quit] ")
            terminal.type(f"{answer}\n")
        terminal.until("only once? [yes/no/skip/quit] ")
        terminal.interrupt()
        code, shown = terminal.end()
        assert (code, "what was learnt is kept" in shown) == (1, True), shown
        assert env.read_text() == "# of the shop\nCANDU_BATCH_SIZE=50  # as Candu wrote us\n"
        sent = len(simulator.messages())

        terminal = terminals(project, api_url=url, **IN_FILE)
        terminal.until("goes on where it stopped")
        terminal.until("Send this, step by step? [y/N]: ")
        terminal.type("y\n")
        terminal.until("Does it find")
        terminal.type("q\n")
        terminal.until("+ CANDU_NULLS=omit\n")
        terminal.until("Change .env? [y/N]: ")
        assert len(simulator.messages()) == sent
        terminal.type("y\n")
        code, shown = terminal.end()
        assert (code, "Changed in .env: CANDU_NULLS" in shown) == (0, True), shown
    assert env.read_text().startswith("# of the shop\nCANDU_BATCH_SIZE=50  # as Candu wrote us\n# candu-sync doctor, ")
    assert env.read_text().endswith("\nCANDU_NULLS=omit\n")


def test_without_consent_nothing_is_sent_or_changed(project: Folder, simulator: Simulator,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    with candu(simulator) as url:
        with monkeypatch.context() as patch:
            patch.setattr(doctoring, "_terminal", lambda: True)
            patch.setattr("sys.stdin", io.StringIO("\n"))
            ended = project.cli("doctor", api_url=url)
            assert (ended.code, ended.out.endswith("Nothing was sent.\n")) == (0, True), ended.out
        (project.folder / "answers").write_text(ANSWERED)
        for words, missing in (((), "--answers"), (("--yes",), "--answers"), (("--answers", "answers"), "--yes")):
            ended = project.cli("doctor", *words, api_url=url)
            assert (ended.code, missing in ended.err) == (2, True), ended.err
        assert project.cli("doctor", "--dry-run", api_url=url).out.endswith("\nNothing was sent.\n")
    assert simulator.requests() == []
    assert "doctor.json" not in project.state_files()


def test_a_dry_run_shows_each_message(project: Folder, simulator: Simulator) -> None:
    shown = project.cli("doctor", "--dry-run").out
    assert [line.partition(":")[0] for line in shown.splitlines() if re.match(r"\w+: ", line)] == [
        step.name for step in STEPS]
    [identify] = json.loads(re.search(r"POST eventWebhook  (\[.*\])", shown)[1])  # type: ignore[index]
    assert identify["userId"].startswith("candu-sync-doctor-")
    assert "1,000 messages, 1" in shown
    assert simulator.requests() == []


def test_answers_from_a_file_count_for_what_was_sent(project: Folder, simulator: Simulator, env: Path) -> None:
    simulator.assume(most_messages=500)
    answers = project.folder / "answers.yaml"
    with candu(simulator) as url:
        answers.write_text("# nothing yet\n")
        first = project.cli("doctor", "--yes", "--answers", "answers.yaml", api_url=url, **IN_FILE)
        assert "one identify? (no answer yet)" in first.out
        assert "No setting follows yet." in first.out
        answers.write_text(f"{ANSWERED}\n".replace("nulls: yes", "nulls: no  # still there"))
        second = project.cli("doctor", "--yes", "--answers", "answers.yaml", api_url=url, **IN_FILE)
        assert second.code == 0
    assert "+ CANDU_BATCH_SIZE=500  # as Candu wrote us" in second.out
    assert env.read_text().count("\n") == 6
    assert "CANDU_NULLS=omit\nCANDU_MESSAGE_ID=true\n" in env.read_text()
    # The first identify was not sent again.
    assert sum("email" in message["payload"].get("traits", {}) for message in simulator.messages()) == 1


@pytest.mark.parametrize(("text", "said"), [
    ("nuls: yes", "answers:1: there is no step nuls; did you mean nulls?"),
    ("\nnulls: perhaps", "answers:2: write a step"),
    ("message_id: yes", "there is no step message_id")])
def test_a_wrong_line_of_the_file_is_named(project: Folder, text: str, said: str) -> None:
    (project.folder / "answers").write_text(text)
    ended = project.cli("doctor", "--yes", "--answers", "answers")
    assert (ended.code, said in ended.err) == (2, True), ended.err


def test_an_answer_is_corrected(project: Folder, env: Path) -> None:
    assert project.cli("doctor", **IN_FILE).code == 0
    (project.folder / "answers").write_text("nulls: no\n")
    ended = project.cli("doctor", "--ask", "nulls", "--yes", "--answers", "answers", **IN_FILE)
    assert "  - CANDU_NULLS=send\n  + CANDU_NULLS=omit\n" in ended.out
    assert "At most 0 requests with 0 messages" in ended.out
    wrong = project.cli("doctor", "--ask", "nuls")
    assert (wrong.code, "there is no step nuls; did you mean nulls?" in wrong.err) == (2, True)


def test_what_the_environment_has_is_pointed_out(project: Folder, env: Path) -> None:
    ended = project.cli("doctor", message_id="", nulls="omit", batch_size="100")
    assert "CANDU_NULLS is set in the environment, which has priority over .env: set it to send there" in ended.err
    assert "CANDU_BATCH_SIZE is set" not in ended.err


def test_a_workspace_with_a_name_has_settings_of_its_own(project: Folder, simulator: Simulator, env: Path) -> None:
    ended = project.cli("--workspace", "eu", "doctor", eu_api_url=simulator.url, eu_api_key=simulator.key)
    assert ended.code == 0, ended.err
    assert env.read_text().endswith("\nCANDU_EU_NULLS=send\nCANDU_EU_BATCH_SIZE=100\nCANDU_EU_BATCH_GROWTH=false\n")


def test_a_wrong_key_and_a_page_in_between_are_errors_of_their_own(project: Folder, simulator: Simulator) -> None:
    wrong = project.cli("doctor", api_key="another")
    assert (wrong.code, "CANDU_API_KEY" in wrong.err) == (1, True), wrong.err
    simulator.fault("status", status=302)
    between = project.cli("doctor")
    assert (between.code, "CANDU_API_URL" in between.err) == (1, True), between.err
    simulator.clear_faults()
    assert project.cli("doctor").code == 0
