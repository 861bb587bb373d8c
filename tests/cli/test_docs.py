"""README and docs name every command and option, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from candu_sync.cli import commands

ROOT = Path(__file__).parents[2]
DOCS = {path.name: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
TEXT = "\n".join(DOCS.values())

COMMANDS = {
    name: {opt for parameter in command.params for opt in parameter.opts if opt.startswith("--") and opt != "--help"}
    for name in commands.COMMANDS for command in [commands.load(name)]
}


def spans() -> list[str]:
    """The text of code spans and of lines of shell blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    lines = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    return lines + re.findall(r"`([^`\n]+)`", prose)


USES = [match.groups() for span in spans() if (match := re.match(r"candu-sync (\w[\w-]*)(.*)", span.strip()))]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_documented_with_all_its_options(command: str) -> None:
    assert command in {name for name, _ in USES}, f"candu-sync {command} stands in no README.md or docs/*.md"
    missing = [option for option in COMMANDS[command] if not re.search(rf"{option}\b", TEXT)]
    assert not missing, f"of candu-sync {command}, {', '.join(missing)} stand nowhere in README.md or docs/*.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_sentence_in_the_list_of_commands_is_the_command_s_own(command: str) -> None:
    assert commands.COMMANDS[command][2] == (commands.load(command).help or "").partition("\n\n")[0]


@pytest.mark.parametrize(("command", "words"), USES)
def test_what_is_documented_exists(command: str, words: str) -> None:
    assert command in COMMANDS
    assert not {*re.findall(r"--[a-z-]+", words)} - COMMANDS[command] - {"--help"}
