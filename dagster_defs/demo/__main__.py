"""`python -m dagster_defs.demo FOLDER`: show the demo's story; Dagster does each day's runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from candu_sync.demo.story import tell
from candu_sync.errors import CanduSyncError
from dagster_defs.demo import environment


def main(folder: Path) -> int:
    """Tell the story in a folder; returns the exit code."""

    def by_dagster(candu: dict[str, str], windows: list[str]) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "dagster_defs.demo.day", "--partition-range",
                   f"{windows[0]}...{windows[-1]}"]
        said = folder / "dagster.log"
        with said.open("w") as log, subprocess.Popen(
                command, env=environment(folder, candu), stdout=subprocess.PIPE, stderr=log, text=True) as process:
            results = list(_reported(process))
        if process.returncode:
            raise CanduSyncError(f"a day of the demo failed in Dagster:\n{said.read_text()[-4000:]}")
        return results

    code = tell(folder, by_dagster)
    print(f"\nEach line was run by Dagster, in {folder / 'dagster'}. To look at the runs and at what the "  # noqa: T201
          "simulator received:\n\n    make ui        Dagster on http://127.0.0.1:3000, the simulator on http://127.0.0.1:8800")
    return code


def _reported(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The results of the runs; as they come in, a line on stderr for each sync."""
    say = Console(stderr=True, highlight=False).print
    say("Dagster starts, and runs each sync:")
    shown = ""
    for line in process.stdout or ():
        result = json.loads(line)
        if result["sync"] != shown:
            shown = result["sync"]
            say(f"  {shown}")
        yield result


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo")))
    except CanduSyncError as error:
        print(f"candu-sync: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
