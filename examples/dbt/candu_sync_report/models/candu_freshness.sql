with runs as (
  select
    sync,
    partition_key,
    max(began_at) as last_run_at,
    max(case when status = 'succeeded' then began_at end) as last_succeeded_at
  from {{ source('candu_sync', 'sync_runs') }}
  group by 1, 2
)

select
  sync,
  partition_key,
  last_run_at,
  last_succeeded_at,
  {{ dbt.datediff('last_succeeded_at', dbt.current_timestamp(), 'hour') }} as hours_since_success
from runs
