"""All syncs of candu-sync, once an hour: a task for each, users before groups before events.

For workers that run on a machine of their own. The virtual environment of candu-sync is its own, so that its libraries
and Airflow's do not meet. The settings are in the environment of the workers; CANDU_STATE_URL is an absolute path where
there is one worker, else an object store. Where each task has a pod, use KubernetesPodOperator with the image of
deploy/Dockerfile and the same command.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = "/srv/candu-sync"
SYNCS = ["users/profile", "groups/accounts", "events/product_events"]

with DAG(
    dag_id="candu_sync",
    schedule="5 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A run finds all that earlier ones have missed.
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
) as dag:
    before: BashOperator | None = None
    for sync in SYNCS:
        task = BashOperator(
            task_id=sync.replace("/", "__"),
            cwd=HOME,
            # Exit code 4: done, with rows that were set aside, which `status --check` reports.
            bash_command=f"{HOME}/venv/bin/candu-sync run {sync} --json || [ $? -eq 4 ]",
            append_env=True,
            execution_timeout=timedelta(hours=2),
        )
        if before is not None:
            before >> task
        before = task
