-- One row a user. `user_id` is the id that Candu knows; each other column is a trait, named as the column.
-- These rows are here so that the example runs in any warehouse of SQL with `values`. Yours come from a table:
--
--     select id as user_id, email, plan
--     from customers
--
select user_id, plan, seats
from (values ('u1', 'free', 1), ('u2', 'pro', 12), ('u3', 'pro', 40)) as users (user_id, plan, seats)
