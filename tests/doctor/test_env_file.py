"""The settings that follow from each answer, written into files of all forms: nothing else in them changes."""

from __future__ import annotations

import io
import itertools
import os
import re
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from candu_sync.doctor import STEPS, changes, edited, read_env, write_env
from candu_sync.errors import SettingsError

MEANINGS = [pytest.param({f"CANDU_{name}": value}, id=f"{step.name}-{reply}")
            for step in STEPS for reply, meaning in step.means.items() for name, value in meaning.settings.items()]

# What stands before and after the line of a setting, and the line; the part of it that is the value is in braces.
AROUND = [("", ""), ("# mine\nCANDU_API_KEY='a # b'\n", "\n\n# CANDU_NULLS=send\n"),
          ("\ufeffOTHER=\"two\nCANDU_NULLS=send\nlines\"\r\n", "X=é  \r\n"), ("no setting!\n= 5\n", "no end")]
LINES = ["{}\n", "{}\r\n", "{}", "export {}\n", "{} # with a comment\n", "  {}   \n"]
VALUES = ["={}", " = {}", "='{}'", '="{}"', "={}  ", ""]


@pytest.mark.parametrize("wanted", [
    {"CANDU_BATCH_SIZE": "500"}, {"CANDU_NULLS": "omit"}, {"CANDU_MESSAGE_ID": "false"}])
def test_only_the_value_changes(wanted: dict[str, str]) -> None:
    [(name, value)] = wanted.items()
    for (before, after), line, form, case in itertools.product(AROUND, LINES, VALUES, (str.upper, str.lower)):
        if not line.endswith("\n") and after:
            continue
        old, new = (line.format(case(name) + form.format(text)) for text in ("7", value))
        text = before + old + after
        found = edited(text, wanted, "comment")
        assert found.startswith(before)
        assert found.endswith(after)
        middle = found[len(before):len(found) - len(after)]
        expected = new if form else line.format(f"{case(name)}={value}")
        # The quotes go with the value.
        assert re.sub("['\" ]", "", middle) == re.sub("['\" ]", "", expected), text
        assert {k.upper(): v for k, v in dotenv_values(stream=io.StringIO(found, newline="")).items()}[name] == value
        assert edited(found, wanted, "again") == found
        assert changes(found, wanted) == []


@pytest.mark.parametrize("wanted", MEANINGS)
@pytest.mark.parametrize("text", ["", "A=1", "A=1\n", "A=1\r\nB=2\r\n", "# CANDU_BATCH_SIZE=5\n", "\ufeffA=1\n",
                                  "A='\nCANDU_NULLS=send\n'\n", "CANDU_NULLS_=1\nXCANDU_NULLS=2\n"])
def test_a_new_setting_goes_to_the_end(text: str, wanted: dict[str, str]) -> None:
    [(name, value)] = wanted.items()
    found = edited(text, wanted, "of the doctor")
    assert found.startswith(text)
    end = "\r\n" if "\r\n" in text else "\n"
    assert found[len(text):].lstrip("\r\n") == f"# of the doctor{end}{name}={value}{end}"
    assert dotenv_values(stream=io.StringIO(found, newline=""))[name] == value


def test_the_last_of_several_lines_counts() -> None:
    text = "CANDU_NULLS=send\ncandu_nulls='send' # mine\nA=1\n"
    assert edited(text, {"CANDU_NULLS": "omit"}, "") == "CANDU_NULLS=send\ncandu_nulls=omit # mine\nA=1\n"


def test_what_stands_behind_an_empty_value_is_kept_as_a_comment() -> None:
    assert edited("CANDU_NULLS=  # none yet\n", {"CANDU_NULLS": "omit"}, "") == "CANDU_NULLS=  omit  # none yet\n"


def test_the_file_keeps_its_rights_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "shared.env", tmp_path / ".env"
    real.write_bytes("A=é\r\n".encode())
    real.chmod(0o640)
    link.symlink_to(real)
    write_env((read_env(link) or "") + "B=1\r\n", link)
    assert link.is_symlink()
    assert real.read_bytes() == "A=é\r\nB=1\r\n".encode()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "shared.env"]


def test_a_new_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert read_env(path) == ""
    write_env("A=1\n", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_file_is_not_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_env(tmp_path / "pipe") is None
    assert read_env(tmp_path) is None
    with pytest.raises(SettingsError, match="cannot be written"):
        write_env("A=1\n", tmp_path / "missing" / ".env")
    (tmp_path / "latin").write_bytes(b"A=\xe9\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        read_env(tmp_path / "latin")
