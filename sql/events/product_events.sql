-- What users did in the product, a day at a time.
-- The window is half-open: its start is in, its end is not, so an event at midnight belongs to one day and one only.
-- (`between` takes both ends, and would send it twice.) Both ends are instants in UTC.
-- event_id is what keeps an event from being sent twice: it must stay the same from run to run.
select
  event_id,
  user_id,
  event,
  occurred_at as timestamp,
  surface,
  report_name,
  duration_ms
from analytics.fct_product_events
where occurred_at >= :window_start
  and occurred_at < :window_end
