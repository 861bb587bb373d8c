-- What a normal day changes: the day `today` passes. See warehouse.py for what it promises.

-- Never the newest user: sign-ups count on from the highest id, and no id may be given twice.
create or replace temp table leavers as
select user_id from analytics.dim_users
where role <> 'owner' and user_id < (select max(user_id) from analytics.dim_users)
group by user_id having count(*) = 1
order by draw('leaver', user_id) limit 3;

delete from analytics.dim_users where user_id in (from leavers);
delete from analytics.segment_members where user_id in (from leavers);

set variable newest = (select max(split_part(user_id, '_', 2)::int) from analytics.dim_users);

insert into analytics.dim_users
select *, getvariable('today')::timestamptz + working_hour('signup', user_id), null
from people(getvariable('newest') + 1, getvariable('newest') + 8);

insert into analytics.segment_members
select if(plan_name = 'trial', 'trial', 'activating'), user_id, signed_up_at
from analytics.dim_users join analytics.dim_accounts using (account_id)
where signed_up_at >= getvariable('today')::timestamptz;

-- One small account moves up a plan, and pays for it; four others buy seats.
create or replace temp table upgraded as
select account_id from analytics.dim_accounts join analytics.dim_users using (account_id)
where plan_name = 'team'
group by account_id having count(*) between 10 and 22
order by draw('upgrade', account_id) limit 1;

create or replace temp table grown as
select account_id from analytics.dim_accounts
where plan_name in ('team', 'business')
order by draw('growth', account_id) limit 4;

update analytics.dim_accounts set plan_name = 'business' where account_id in (from upgraded);
update analytics.dim_accounts set seats = seats + 1 + floor(3 * draw('seats', account_id))::int
where account_id in (from grown);
update analytics.dim_accounts set mrr = (seats * seat_price(plan_name))::decimal(12, 2)
where account_id in (from upgraded union from grown);

insert into analytics.fct_invoices
select concat_ws('-', 'inv', split_part(account_id, '_', 2), strftime(getvariable('today'), '%Y%m%d')),
  account_id, getvariable('today'), mrr, 'paid'
from analytics.dim_accounts where account_id in (from upgraded);

-- Some users get another title; two clear it.
create or replace temp table edited as
select user_id, row_number() over (order by draw('edit', user_id)) as place from analytics.dim_users
where job_title is not null and user_id is not null
group by user_id having count(*) = 1
order by place limit 20;

update analytics.dim_users
set job_title = case when place > 2 then 'Senior ' || replace(job_title, 'Senior ', '') end
from edited where dim_users.user_id = edited.user_id;

-- The day's events, and what follows from them.
create or replace temp table today_events as
select * from product_events(getvariable('today'), 1, 175) order by occurred_at, event_id;

insert into analytics.fct_product_events from today_events;

update analytics.dim_users
set last_seen_at = seen.last_event_at
from (select user_id, max(occurred_at) as last_event_at from today_events group by user_id) as seen
where dim_users.user_id = seen.user_id;

-- Whoever was at risk and came back is activating again.
update analytics.segment_members
set segment = 'activating', entered_at = seen.first_event_at
from (select user_id, min(occurred_at) as first_event_at from today_events group by user_id) as seen
where segment = 'at_risk' and segment_members.user_id = seen.user_id;
