"""The engine's own functions, stage by stage: the one file of the bench that imports candu_sync.

All else is measured by the command line. Each function runs in a process of its own (``child``) and returns its seconds
without imports. A project's environment is that of ``lab.Lab``.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Any


def read(url: str, table: str) -> dict[str, Any]:
    """Reading the model's result as Arrow batches, thrown away."""
    from candu_sync.warehouse import open_warehouse

    with open_warehouse(url, memory=1_000_000_000) as warehouse:
        began = time.perf_counter()
        with warehouse.read(f"select * from {table}", {}) as reading:
            rows = sum(batch.num_rows for batch in reading)
        return {"seconds": time.perf_counter() - began, "rows": rows, "path": reading.path}


def canonical(environment: dict[str, str]) -> dict[str, Any]:
    """Reading, and bringing the values to their canonical form."""
    project, sync = _open(environment)
    from candu_sync.rows import Result

    with project:
        warehouse = project.warehouse
        began, worked = time.perf_counter(), time.process_time()
        with warehouse.read(project.model(sync), {}) as reading:
            rows = sum(batch.num_rows for batch in Result(sync, reading.names).batches(reading))
        return {"seconds": time.perf_counter() - began, "rows": rows, "work_cpu": time.process_time() - worked}


def messages(environment: dict[str, str]) -> dict[str, Any]:
    """Building the messages' JSON alone, as the delivery asks for it: what the sync's model gives now against the state
    as it is."""
    project, sync = _open(environment)
    from candu_sync import Target, pipeline
    from candu_sync.changes import unsettled_messages
    from candu_sync.state import Outcome

    with project:
        changes = pipeline.plan(Target(project, sync), keep=False)
        try:
            began = time.perf_counter()
            count = size = 0
            for batch in unsettled_messages(changes, Outcome(), project.message_namespace, engine=project.engine):
                count += batch.num_rows
                size += batch.nbytes
            seconds = time.perf_counter() - began
        finally:
            shutil.rmtree(changes.folder)
    return {"seconds": seconds, "messages": count, "rate": count / seconds, "bytes": size / count}


def deliver(environment: dict[str, str], messages: int, size: int, receipts: bool) -> dict[str, Any]:
    """Delivering messages that are there already, of ``size`` bytes each, the comma after it included; with receipts on
    disk, or without any."""
    project, sync = _open(environment)
    import pyarrow as pa

    from candu_sync.delivery import Candu, Delivery, Limits
    from candu_sync.state import ReceiptLog

    settings = project.settings
    key = settings.require_api_key()
    body = '{"type":"identify","userId":"u","traits":{"a":"' + "x" * (size - 53) + '"}},'
    chunk = 10_000
    batches = (pa.record_batch({"message": pa.array(range(start, min(start + chunk, messages)), pa.int64()),
                                "body": [body] * (min(start + chunk, messages) - start)})
               for start in range(0, messages, chunk))
    limits = Limits(batch_size=settings.batch_size, rate=settings.rate, concurrency=settings.concurrency)
    log = ReceiptLog(project.state.of(sync.name, None), "bench") if receipts else None

    def record(line: dict[str, Any]) -> None:
        if log is not None:
            log.write(line)

    delivery = Delivery(lambda: Candu(settings.api_url, key, settings.timeout), limits, record)
    began = time.perf_counter()
    report = delivery.run(batches)
    if log is not None:
        log.close()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "messages": report.accepted}


def _open(environment: dict[str, str]) -> tuple[Any, Any]:
    os.environ.update(environment)
    from candu_sync.project import Project
    from candu_sync.settings import load_settings
    from candu_sync.syncs import load_syncs

    settings = load_settings()
    return Project(settings), load_syncs(settings.sql_dir).syncs["users/u"]
