select
  {{ dbt.date_trunc('day', 'began_at') }} as day,
  sync,
  count(*) as runs,
  sum(case when status = 'succeeded' then 1 else 0 end) as succeeded,
  sum(case when status = 'failed' then 1 else 0 end) as failed,
  sum(case when status = 'guarded' then 1 else 0 end) as guarded,
  sum(accepted) as accepted,
  sum(requests) as requests,
  max(invalid) as most_invalid,
  max(refused) as most_refused
from {{ source('candu_sync', 'sync_runs') }}
group by 1, 2
