-- Who a user is, for aiming onboarding content.
select user_id, email, name, plan, signed_up_at, projects_created as "projects created"
from {{ ref('dim_users') }}
