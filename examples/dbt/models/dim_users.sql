with users as (
  select * from {{ ref('raw_users') }}
),

projects as (
  select user_id, count(*) as projects_created
  from {{ ref('raw_events') }}
  where name = 'Project created'
  group by user_id
)

select
  users.id as user_id,
  users.email,
  users.name,
  users.plan,
  users.signed_up_at,
  coalesce(projects.projects_created, 0) as projects_created
from users
left join projects on projects.user_id = users.id
