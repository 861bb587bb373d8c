-- What users did in the product.
select event_id, user_id, event, occurred_at as timestamp, project
from {{ ref('fct_events') }}
where occurred_at >= :since
