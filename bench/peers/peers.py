"""How each tool is set up for the drill: one table of events, sent to Candu's API in requests of ``BATCH``.

Each is configured as its own documentation has it for new rows of an append-only table.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BATCH = 10

_DRT_SYNC = """\
name: events
model: "{model}"
destination:
  type: rest_api
  url: "{url}/eventWebhook"
  method: POST
  headers: {{Content-Type: application/json}}
  auth: {{type: bearer, token_env: DRILL_KEY}}
  body_mode: batch
  max_records_per_request: {batch}
  batch_template: |
    [{{% for row in rows %}}{{"type": "track", "userId": "{{{{ row.user_id }}}}", "event": "happened",
      "properties": {{"id": {{{{ row.id }}}}}}}}{{% if not loop.last %}},{{% endif %}}{{% endfor %}}]
sync:
  mode: incremental
  cursor_field: id
  batch_size: {batch}
  rate_limit: {{requests_per_second: 0}}
  on_error: fail
"""

_CANDU_SYNC = """\
select id as event_id, user_id, 'happened' as event, timestamp '2026-11-01 12:00:00' as timestamp, id from events
"""


@dataclass(frozen=True)
class Place:
    """Where a drill happens: a folder of its own, the table's DuckDB file, and the simulator."""

    folder: Path
    warehouse: Path
    url: str
    key: str


@dataclass(frozen=True)
class Peer:
    """A tool: its name, how it is run, which ids of events it said were perhaps sent twice, and the command that its
    own message names for when no run gets through any more."""

    name: str
    command: list[str]
    environment: dict[str, str]
    reported: Callable[[], set[int]]
    remedy: tuple[str, ...] = ()


def nothing_reported() -> set[int]:
    return set()


def drt(place: Place, python: Path, model: str, name: str) -> Peer:
    """drt-core: an incremental sync of a REST destination in batch mode."""
    (place.folder / "syncs").mkdir(parents=True)
    (place.folder / ".drt").mkdir()
    (place.folder / "drt_project.yml").write_text("name: drill\nprofile: default\n")
    (place.folder / ".drt" / "profiles.yml").write_text(f"default: {{type: duckdb, database: {place.warehouse}}}\n")
    (place.folder / "syncs" / "events.yml").write_text(_DRT_SYNC.format(url=place.url, batch=BATCH, model=model))
    environment = {"HOME": str(place.folder), "DRILL_KEY": place.key}
    return Peer(name, [str(python.parent / "drt"), "run"], environment, nothing_reported)


def dlt(place: Place, python: Path) -> Peer:
    """dlt: an incremental resource and a custom destination."""
    place.folder.mkdir(parents=True)
    environment = {"DRILL_URL": place.url, "DRILL_KEY": place.key, "DRILL_WAREHOUSE": str(place.warehouse),
                   "DRILL_FOLDER": str(place.folder / "pipelines"), "DRILL_BATCH": str(BATCH),
                   "RUNTIME__DLTHUB_TELEMETRY": "false"}
    remedy = (str(python.parent / "dlt"), "--yes", "pipeline", "--pipelines-dir", environment["DRILL_FOLDER"], "drill",
              "abort-packages")
    return Peer("dlt", [str(python), str(Path(__file__).with_name("dlt_events.py").resolve())], environment,
                nothing_reported, remedy)


def candu_sync(place: Place) -> Peer:
    """candu-sync: a model of events."""
    models = place.folder / "sql" / "events"
    models.mkdir(parents=True)
    (models / "happened.sql").write_text(_CANDU_SYNC)
    state = place.folder / "state"
    environment = {"CANDU_API_URL": place.url, "CANDU_API_KEY": place.key, "CANDU_STATE_URL": str(state),
                   "CANDU_WAREHOUSE_URL": f"duckdb:///{place.warehouse}", "CANDU_SQL_DIR": str(models.parent),
                   "CANDU_BATCH_SIZE": str(BATCH), "CANDU_RATE": "0", "CANDU_CONCURRENCY": "1"}

    def reported() -> set[int]:
        files = (state / "events.happened" / "-" / "uncertain").glob("*.json")
        return {int(key) for file in files for key in json.loads(file.read_text())["keys"]}

    return Peer("candu-sync", [sys.executable, "-m", "candu_sync", "run", "--all"], environment, reported)


def environment_of(peer: Peer) -> dict[str, str]:
    """The environment that a tool runs in."""
    return {**os.environ, **peer.environment}
