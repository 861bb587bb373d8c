-- Words that build.sql and next_day.sql share. All are temporary: none of them stays in the file.
-- They read the variables `seed` and `today`.

-- A number in [0, 1) that hangs on the seed, the tag and the key alone. By md5, since DuckDB's hash() may differ
-- from version to version.
create or replace temp macro draw(tag, key) as
  (md5_number_lower(concat_ws(':', getvariable('seed'), tag, key)) >> 11)::double / 9007199254740992;

create or replace temp macro pick(choices, tag, key) as choices[1 + floor(draw(tag, key) * len(choices))::int];

-- Some moment of the working day, 07:00 to 19:00 UTC, most likely about noon.
create or replace temp macro working_hour(tag, key) as
  to_seconds(25200 + floor(21600 * (draw(tag || ':a', key) + draw(tag || ':b', key)))::int);

create or replace temp macro seat_price(plan) as
  case plan when 'team' then 12.00 when 'business' then 24.50 when 'enterprise' then 39.90 else 0.00 end;

create or replace temp macro account_key(n) as 'acc_' || lpad(n::varchar, 3, '0');

-- Users number `first` to `last`, without their dates. Each of the 200 accounts has its owner among the first 200
-- users; low account numbers are large companies; account 200 stays at three users.
create or replace temp macro people(first, last) as table
  with drawn as (
    select
      n,
      pick(['Ada', 'Ben', 'Chidi', 'Dana', 'Elif', 'Farid', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Kavya', 'Lena', 'Mika',
            'Noor', 'Olga', 'Pavel', 'Quinn', 'Rosa', 'Sven', 'Tomoko'], 'given', n) as given,
      pick(['Abara', 'Berg', 'Costa', 'Dietz', 'Egger', 'Fischer', 'Garcia', 'Hansen', 'Ito', 'Jansen', 'Kaya',
            'Lopez', 'Moreau', 'Novak', 'Okafor', 'Petrov', 'Rossi', 'Sato', 'Tanaka', 'Weber'], 'family', n) as family,
      case when n <= 200 then n
           when n <= 202 then 200
           else 1 + floor(199 * draw('account', n) ** 2)::int end as account,
      case when n <= 200 then 'owner'
           else pick(['admin', 'editor', 'editor', 'editor', 'editor', 'viewer', 'viewer', 'viewer'], 'role', n)
      end as role
    from range(first, last + 1) as t(n)
  )
  select
    'usr_' || lpad(n::varchar, 5, '0') as user_id,
    account_key(account) as account_id,
    given || ' ' || family as full_name,
    lower(given || '.' || family) || n || pick(['@example.com', '@example.org', '@example.net'], 'domain', account)
      as email,
    role,
    case when draw('untitled', n) >= 0.12 then
      pick(['Analyst', 'Engineer', 'Head of Operations', 'Product Manager', 'Sales Lead', 'Support Lead'], 'title', n)
    end as job_title,
    pick(['en', 'en', 'en', 'de', 'fr', 'es', 'ja', 'pt-BR'], 'locale', n) as locale,
    role in ('owner', 'admin') as is_admin
  from drawn;

-- `sessions` visits of eight events each, over `days` days from `first_day` on. Seven users in ten ever come, and a few
-- of them make most of the traffic: the same ones every day, so their order is taken from the id and not from the seed.
create or replace temp macro product_events(first_day, days, sessions) as table
  with regulars as (
    select user_id, min(signed_up_at) as signed_up_at, row_number() over (order by md5(user_id)) - 1 as place
    from analytics.dim_users
    where user_id is not null and md5(user_id) < 'b3'
    group by user_id
  ),
  -- The place is worked out ahead of the join, or DuckDB compares every visit with every regular.
  arrivals as (
    select visit, floor((select count(*) from regulars) * draw('visitor', visit) ** 2)::bigint as place
    from range(sessions) as t(visit)
  ),
  visits as (
    select user_id, visit,
      greatest(
        first_day::timestamptz + to_days(floor(days * draw('day', visit))::int) + working_hour('visit', visit),
        signed_up_at + interval 5 minutes
      ) as started_at,
      pick(['web', 'web', 'web', 'mobile', 'api'], 'surface', visit) as surface
    from arrivals join regulars using (place)
  ),
  steps as (
    select *, visit || ':' || step as event_key,
      case step when 0 then 'Logged in'
        else pick(['Viewed dashboard', 'Viewed dashboard', 'Viewed dashboard', 'Ran report', 'Ran report',
                   'Created project', 'Exported data', 'Invited teammate'], 'event', event_key) end as event
    from visits, range(8) as t(step)
  )
  select
    md5(concat_ws(':', getvariable('seed'), first_day, event_key))::uuid as event_id,
    user_id,
    event,
    started_at + to_seconds(150 * step + floor(100 * draw('pause', event_key))::int) as occurred_at,
    surface,
    case when event in ('Ran report', 'Exported data') then
      pick(['Revenue', 'Churn', 'Adoption', 'Funnel'], 'report', event_key) end as report_name,
    case when step > 0 then 50 + floor(4000 * draw('duration', event_key) ** 2)::int end as duration_ms
  from steps;
