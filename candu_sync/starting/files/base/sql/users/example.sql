-- One row a user. `user_id` is the id that Candu knows; each other column is a trait, named as the column.
-- These rows are written here so that the example runs without a table. Yours come from one:
--
--     select id as user_id, email, plan
--     from customers
--
select 'u1' as user_id, 'free' as plan, 1 as seats
union all
select 'u2', 'pro', 12
union all
select 'u3', 'pro', 40
