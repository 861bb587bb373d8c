-- Rentals, from two days before the newest that was sent. The shops' clock is Alberta's, and the table keeps no zone.
select
  rental.rental_id as event_id,
  rental.customer_id as user_id,
  'Rented a film' as event,
  rental.rental_date as timestamp,
  rental.rental_id,
  film.title,
  film.rating,
  film.release_year,
  film.length,
  film.rental_rate,
  -- A char(20), padded with blanks.
  rtrim(language.name) as language,
  inventory.store_id
from rental
join inventory using (inventory_id)
join film using (film_id)
join language using (language_id)
where rental.rental_date at time zone 'America/Edmonton' >= :since
