"""Every example of docs/simulator.md runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from candu_sync.simulator import Simulator

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
COMMANDS = re.findall(r"^curl .*$", TEXT, re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_curl_examples(sim: Simulator) -> None:
    assert len(COMMANDS) > 12
    for command in COMMANDS:
        words = shlex.split(command.replace("http://127.0.0.1:8800/", sim.page))
        answer = subprocess.run([*words, "--fail", "--noproxy", "*"], capture_output=True, text=True, check=False)
        assert answer.returncode == 0, command
        assert "error" not in json.loads(answer.stdout), command
    assert sim.stats()["messages"]["identify"] == 0, "the last example is the reset"


def test_the_python_examples() -> None:
    signing, example = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(example, "docs/simulator.md", "exec"), {})
    names: dict[str, str] = {}
    exec(compile(signing, "docs/simulator.md", "exec"), names)
    with Simulator(identity_secret="identity-secret") as sim:
        body = {"clientToken": sim.client_token, "userId": "u1", "events": [{"type": "identify", "traits": {}}],
                "hmac": names["signature"]}
        assert httpx.post(f"{sim.url}/batchEvent", json=body).is_success
