"""Runs on Celery's workers that can be cancelled: ``dagster_celery``'s launcher, but for one sentence to Dagster.

In dagster.yaml:

    run_launcher:
      module: dagster_defs.celery_launcher
      class: CancellableCeleryRunLauncher
      config: {broker: {env: CELERY_BROKER}, backend: {env: CELERY_BACKEND}}
"""

from __future__ import annotations

from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG


class CancellableCeleryRunLauncher(CeleryRunLauncher):
    """As ``CeleryRunLauncher``, with its configuration. A run that is cancelled ends as CANCELED: Dagster hears that
    it is being cancelled before its process ends. By the launcher of ``dagster_celery`` the run ends as FAILURE, and
    ``run_retries`` starts it again, so that everything is sent after all.
    """

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)
