"""`python -m dagster_defs.demo FOLDER`: show the demo's story; Dagster does each day's runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from candu_sync.demo.story import tell
from candu_sync.errors import CanduSyncError
from dagster_defs.demo import environment


def main(folder: Path) -> int:
    """Tell the story in a folder; returns the exit code."""

    def by_dagster(candu: dict[str, str], windows: list[str]) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "dagster_defs.demo.day", *windows]
        done = subprocess.run(command, env=environment(folder, candu), capture_output=True, text=True, check=False)
        if done.returncode:
            raise CanduSyncError(f"a day of the demo failed in Dagster:\n{done.stderr[-4000:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    code = tell(folder, by_dagster)
    print(f"\nEach line was run by Dagster, in {folder / 'dagster'}. To look at the runs and at what the "  # noqa: T201
          "simulator received:\n\n    make ui        Dagster on http://127.0.0.1:3000, the simulator on http://127.0.0.1:8800")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo")))
    except CanduSyncError as error:
        print(f"candu-sync: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
