-- Stores as groups of their customers; all of a store's rows agree on its traits.
select
  store.store_id as group_id,
  customer.customer_id as user_id,
  city.city,
  country.country,
  staff.first_name || ' ' || staff.last_name as manager,
  stock.films,
  stock.copies,
  sales.total as "total sales",
  sales.last_sale
from customer
join store using (store_id)
join address on address.address_id = store.address_id
join city using (city_id)
join country using (country_id)
join staff on staff.staff_id = store.manager_staff_id
join (select store_id, count(distinct film_id) as films, count(*) as copies from inventory group by store_id) as stock
  on stock.store_id = store.store_id
join (
  select staff.store_id, sum(amount) as total, max(payment_date) as last_sale
  from payment join staff using (staff_id) group by staff.store_id
) as sales on sales.store_id = store.store_id
