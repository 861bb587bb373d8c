"""Every example in the README runs, in the order in which a reader meets them."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import duckdb
import pytest

from candu_sync.cli import main
from candu_sync.simulator import Simulator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

# Done by their own tests (make, pip, dg), or in another terminal (simulate).
_ELSEWHERE = ("make ", "pip ", "dg ", "candu-sync simulate")


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for tag, text in found if tag == language]


def named_files() -> Iterator[tuple[str, str]]:
    """The blocks whose first line names a file under sql/, with that name."""
    for language, comment in (("sql", "--"), ("yaml", "#")):
        for block in blocks(language):
            name = re.match(rf"{comment} (sql/\S+)\n", block)
            if name:
                yield name[1], block


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the README's files, and what they read."""
    folder = tmp_path
    for name, text in named_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with duckdb.connect(str(folder / "shop.duckdb")) as warehouse:
        warehouse.execute("CREATE TABLE customers AS SELECT 'c' || i AS id, 'c' || i || '@example.com' AS email, "
                          "CASE WHEN i % 3 = 0 THEN 'pro' ELSE 'free' END AS plan, i % 7 AS orders FROM range(40) t(i)")
        warehouse.execute("CREATE TABLE orders AS SELECT i AS order_id, 'c' || (i % 40) AS customer_id, 9.5 AS amount, "
                          "TIMESTAMP '2026-11-01' + INTERVAL (i) HOUR AS ordered_at FROM range(48) t(i)")
    # The ids that Candu sees in browsers.
    (folder / "seen.csv").write_text("user_id\n" + "".join(f"c{n}\n" for n in range(20)))
    return folder


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(_ELSEWHERE)]


def installed(words: list[str]) -> tuple[int, str]:
    """The exit code of a command, and what it says."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def here(words: list[str]) -> tuple[int, str]:
    """The same in this process, which takes a tenth of the time."""
    said = io.StringIO()
    assert words[0] == "candu-sync"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as exited:
            main()
    return int(exited.value.code or 0), said.getvalue()


@pytest.mark.slow
def test_the_commands_run_one_after_the_other(shop: Path) -> None:
    with Simulator(port=0) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        patch.chdir(shop)
        for number, line in enumerate(commands()):
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                patch.setenv(name, value.replace("http://127.0.0.1:8800/api", simulator.url))
                continue
            code, said = (installed if number == 0 else here)(shlex.split(line))
            assert "Traceback" not in said, line
            assert code == (2 if line.endswith("--retry") else 0), f"{line}\n{said}"
        users, events = simulator.users(), simulator.events()
    # c3 was forgotten.
    assert (len(users), "c3" in users) == (39, False)
    assert len(events) == 46
    assert set(users["c4"]) == {"plan_name", "total orders"}


def test_what_plan_prints_is_what_the_readme_shows(shop: Path) -> None:
    (shop / "sql/users/customers.yaml").unlink()
    command = [sys.executable, "-m", "candu_sync", "plan", "users/customers"]
    environment = os.environ | {"CANDU_WAREHOUSE_URL": "duckdb:///shop.duckdb"}
    printed = subprocess.run(command, cwd=shop, env=environment, capture_output=True, text=True, check=True).stdout
    shown = next(block for block in blocks("") if block.startswith("users/customers: 40 rows"))
    assert [line.rstrip() for line in printed.splitlines()][: len(shown.splitlines())] == shown.splitlines()


def test_the_make_targets_it_names_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE)) <= targets


def headings(page: Path) -> set[str]:
    """The headings of a page, as a link has them behind #."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-")
            for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def test_the_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")):
        for name, heading in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", page.read_text()):
            there = page.parent / name if name else page
            assert there.exists(), f"{page.name} links to {name}"
            assert not heading or heading in headings(there), f"{page.name} links to {name}#{heading}"
