"""The whole job by other tools: a first run of users from a DuckDB table ``u`` to Candu, 100 messages a request.

Each is set up for speed within what its own documentation has: drt sends batches of a chunk of 10,000 rows by one
client, dlt loads Parquet files side by side (whole_dlt.py).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

_DRT_SYNC = """\
name: users
model: "select * from u"
destination:
  type: rest_api
  url: "{url}/eventWebhook"
  method: POST
  headers: {{Content-Type: application/json}}
  auth: {{type: bearer, token_env: BENCH_KEY}}
  body_mode: batch
  max_records_per_request: 100
  batch_template: |
    [{{% for row in rows %}}{{"type": "identify", "userId": {{{{ row.user_id | tojson_safe }}}},
      "traits": {{{{ row | tojson_safe }}}}}}{{% if not loop.last %}},{{% endif %}}{{% endfor %}}]
sync:
  mode: full
  batch_size: 10000
  rate_limit: {{requests_per_second: 0}}
  on_error: fail
"""


@dataclass(frozen=True)
class Job:
    """How a tool is run."""

    command: list[str]
    environment: dict[str, str]
    folder: Path


def drt(folder: Path, python: Path, warehouse: Path, url: str) -> Job:
    """drt-core: a full sync of a REST destination in batch mode."""
    _anew(folder)
    (folder / "syncs").mkdir()
    (folder / ".drt").mkdir()
    (folder / "drt_project.yml").write_text("name: bench\nprofile: default\n")
    (folder / ".drt/profiles.yml").write_text(f"default: {{type: duckdb, database: {warehouse}}}\n")
    (folder / "syncs/users.yml").write_text(_DRT_SYNC.format(url=url))
    environment = {"HOME": str(folder), "BENCH_KEY": "bench", "DRT_TELEMETRY": "0"}
    return Job([str(python.parent / "drt"), "run"], environment, folder)


def dlt(folder: Path, python: Path, warehouse: Path, url: str) -> Job:
    """dlt: a resource of Arrow batches and a custom destination."""
    _anew(folder)
    environment = {"BENCH_URL": url, "BENCH_WAREHOUSE": str(warehouse), "BENCH_FOLDER": str(folder / "pipelines"),
                   "HOME": str(folder), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return Job([str(python), str(Path(__file__).with_name("whole_dlt.py").resolve())], environment, folder)


def _anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
