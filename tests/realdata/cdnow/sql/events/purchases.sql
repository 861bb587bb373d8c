-- Every purchase, a month at a time. Some customers buy several times on one day, so only order_no tells them apart.
select
  order_no as event_id,
  customer_id as user_id,
  'Purchased' as event,
  bought_on as timestamp,
  order_no,
  cds,
  dollars
from purchases
where bought_on >= :window_start
  and bought_on < :window_end
