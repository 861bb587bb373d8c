"""One function of the bench in this process: ``python -m bench.child MODULE:FUNCTION ARGUMENTS-AS-JSON``.

What it returns, a dict, is printed as the last line.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(f"bench.{module}"), name)
    print(json.dumps(function(**json.loads(sys.argv[2])) or {}))  # noqa: T201


if __name__ == "__main__":
    main()
