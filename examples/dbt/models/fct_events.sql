select id as event_id, user_id, name as event, occurred_at, project
from {{ ref('raw_events') }}
