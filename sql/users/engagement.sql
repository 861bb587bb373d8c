-- What a user has done, as counts and last-done dates.
-- These belong in traits: Candu's segments are built from traits, and it counts events from their arrival on, so
-- whatever happened before the first sync exists for it only if it stands here.
-- The 14 days end with the newest event and not with current_date, so that a second run on the same data finds
-- nothing new. A rolling count also changes for those who did nothing today, when an old day drops out: keep such
-- counts few.
with newest as (
  select date_trunc('day', max(occurred_at)) as day from analytics.fct_product_events
),
activity as (
  select
    user_id,
    count(*) filter (where occurred_at >= day - interval 13 days) as events_14d,
    count(*) filter (where occurred_at >= day - interval 13 days and event = 'Ran report') as reports_14d,
    count(distinct occurred_at::date) filter (where occurred_at >= day - interval 13 days) as active_days_14d,
    max(occurred_at) filter (where event = 'Ran report') as last_report_at,
    bool_or(event = 'Invited teammate') as has_invited_teammate
  from analytics.fct_product_events cross join newest
  group by user_id
)
select
  user_id,
  -- Someone without events has done a thing zero times: 0 can be compared in a segment, null cannot.
  coalesce(events_14d, 0) as events_14d,
  coalesce(reports_14d, 0) as reports_14d,
  coalesce(active_days_14d, 0) as active_days_14d,
  coalesce(has_invited_teammate, false) as has_invited_teammate,
  last_report_at,
  last_active_at
-- One row for each id, also for an id that dim_users has twice.
from (
  select user_id, max(last_seen_at) as last_active_at
  from analytics.dim_users where user_id is not null
  group by user_id
) as users
left join activity using (user_id)
