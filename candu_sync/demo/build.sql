-- The made-up warehouse on the morning of `today`. See warehouse.py for what it promises.

create schema if not exists analytics;

create or replace table analytics.dim_users as
select
  *,
  getvariable('today')::timestamptz - to_days(1 + floor(900 * draw('tenure', user_id) ** 1.3)::int)
    + working_hour('signup', user_id) as signed_up_at,
  case when draw('never seen', user_id) >= 0.04 then
    greatest(getvariable('today')::timestamptz - to_days(15 + floor(90 * draw('absence', user_id))::int)
               + working_hour('last seen', user_id),
             signed_up_at)
  end as last_seen_at
from people(1, 5000);

create or replace table analytics.fct_product_events as
select * from product_events(getvariable('today') - 14, 14, 2500) order by occurred_at, event_id;

update analytics.dim_users
set last_seen_at = greatest(last_seen_at, seen.last_event_at)
from (select user_id, max(occurred_at) as last_event_at from analytics.fct_product_events group by user_id) as seen
where dim_users.user_id = seen.user_id;

create or replace table analytics.dim_accounts as
with sized as (
  select account_id, count(*) as users, split_part(account_id, '_', 2)::int as n
  from analytics.dim_users group by account_id
),
planned as (
  select *,
    case when n <= 15 then 'enterprise'
         else pick(['trial', 'team', 'team', 'team', 'team', 'business', 'business', 'business'], 'plan', n)
    end as plan_name,
    users + floor(users * 0.4 * draw('spare seats', n))::int as seats
  from sized
)
select
  account_id,
  pick(['Amber', 'Birch', 'Cobalt', 'Delta', 'Ember', 'Fjord', 'Granite', 'Harbor', 'Iris', 'Juniper'], 'first word', n)
    || ' '
    || pick(['Analytics', 'Foods', 'Health', 'Labs', 'Logistics', 'Media', 'Robotics', 'Travel'], 'second word', n)
    as account_name,
  plan_name,
  seats::int as seats,
  (seats * seat_price(plan_name))::decimal(12, 2) as mrr,
  floor(users * 3e9 * (0.2 + draw('storage', n)))::bigint as storage_bytes,
  pick(['DE', 'FR', 'GB', 'JP', 'US', 'US', 'US'], 'country', n) as country,
  -- Billing writes New York's wall clock, without a zone.
  case when plan_name <> 'trial' then
    getvariable('today')::timestamp + to_days(1 + floor(364 * draw('renewal', n))::int) end as renews_at,
  case when draw('support note', n) < 0.1 then 'asked twice for a discount' end as support_note
from planned
order by account_id;

create or replace table analytics.fct_invoices as
select
  concat_ws('-', 'inv', split_part(account_id, '_', 2), strftime(issued_on, '%Y%m')) as invoice_id,
  account_id,
  issued_on::date as issued_on,
  mrr as amount,
  case when draw('unpaid', account_id || ':' || month) < 0.03 then 'open' else 'paid' end as status
from analytics.dim_accounts, range(12) as t(month),
  lateral (select date_trunc('month', getvariable('today')) - to_months(month::int) as issued_on)
where plan_name <> 'trial'
order by invoice_id;

-- Lifecycle stages: each user is in exactly one of them.
create or replace table analytics.segment_members as
select
  case when a.plan_name = 'trial' then 'trial'
       when coalesce(u.last_seen_at < getvariable('today')::timestamptz - interval 45 days, true) then 'at_risk'
       when e.events >= 24 then 'power'
       else 'activating' end as segment,
  u.user_id,
  greatest(u.signed_up_at,
           getvariable('today')::timestamptz - to_days(1 + floor(60 * draw('stage', u.user_id))::int)
             + working_hour('stage', u.user_id)) as entered_at
from analytics.dim_users as u
join analytics.dim_accounts as a using (account_id)
left join (select user_id, count(*) as events from analytics.fct_product_events group by user_id) as e using (user_id)
order by segment, u.user_id;

-- The bad rows, last, so that nothing above has to look away from them.
insert into analytics.dim_users
select * replace (null as user_id, 'lost.in.migration@example.com' as email)
from analytics.dim_users where user_id = 'usr_00250';

insert into analytics.dim_users
select * replace ('second.address@example.org' as email, 'ja' as locale)
from analytics.dim_users where user_id = 'usr_00300';

update analytics.dim_accounts set storage_bytes = 9007199254740993 where account_id = account_key(200);
