-- Who a user is: what onboarding content is aimed by.
-- Every column but user_id becomes a trait of that name. user_id must be, letter for letter, the id that the
-- product's page gives Candu.init. `email` is the one name that Candu reserves, in lowercase.
-- Counts and last-done dates change every day and have a sync of their own, users/engagement: a trait must come from
-- one sync only.
select
  u.user_id,
  u.email,
  u.full_name as name,
  u.role,
  u.job_title,
  u.locale,
  u.is_admin,
  u.signed_up_at,
  a.account_name as company,
  a.plan_name
from analytics.dim_users as u
left join analytics.dim_accounts as a using (account_id)
