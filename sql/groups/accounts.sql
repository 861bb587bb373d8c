-- Accounts as groups: a row is a membership, and carries the traits of its group.
-- The traits must be the same on all rows of a group. A trait that changed is sent once, not once for each member.
select
  u.account_id as group_id,
  u.user_id,
  a.account_name as name,
  a.plan_name as plan,
  a.seats,
  a.mrr,
  a.storage_bytes,
  a.country,
  a.renews_at,
  -- A quoted alias makes a trait with a space in its name.
  coalesce(billed.total, 0) as "total billed",
  a.support_note
from analytics.dim_users as u
join analytics.dim_accounts as a using (account_id)
left join (
  select account_id, sum(amount) as total from analytics.fct_invoices where status = 'paid' group by account_id
) as billed using (account_id)
-- A user without an id can be a member of nothing; users/profile is where such a row is reported.
-- An id that dim_users has twice gives two equal rows here, and equal rows count once.
where u.user_id is not null
