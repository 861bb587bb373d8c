select
  sync,
  outcome,
  status,
  reason,
  count(*) as row_count,
  count(distinct row_key) as row_keys,
  min(answered_at) as first_at,
  max(answered_at) as last_at
from {{ source('candu_sync', 'sync_rows') }}
where outcome <> 'accepted'
group by 1, 2, 3, 4
