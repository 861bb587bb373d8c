-- Customers of the two shops, with what they rented and paid.
select
  c.customer_id as user_id,
  c.email,
  c.first_name,
  c.last_name,
  -- activebool is true for every customer; active is the one that the shops keep.
  c.active = 1 as active_customer,
  c.store_id,
  country.country,
  c.create_date as member_since,
  coalesce(rented.rentals, 0) as rentals,
  coalesce(rented.not_returned, 0) as not_returned,
  paid.total as "total billed",
  rented.last_rental at time zone 'America/Edmonton' as last_rental,
  favourite.rating as favourite_rating
from customer as c
join address using (address_id)
join city using (city_id)
join country using (country_id)
left join (
  select customer_id, count(*) as rentals, count(*) - count(return_date) as not_returned,
         max(rental_date) as last_rental
  from rental group by customer_id
) as rented using (customer_id)
left join (select customer_id, sum(amount) as total from payment group by customer_id) as paid using (customer_id)
left join (
  select distinct on (customer_id) customer_id, rating
  from rental join inventory using (inventory_id) join film using (film_id)
  group by customer_id, rating
  order by customer_id, count(*) desc, rating
) as favourite using (customer_id)
