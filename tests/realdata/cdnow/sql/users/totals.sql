-- What each customer has bought so far.
-- The ids are text: '00042' is what the shop's pages know the customer by.
select
  customer_id as user_id,
  count(*) as purchases,
  sum(cds) as cds,
  sum(dollars) as "total billed",
  max(dollars) as largest_purchase,
  count(*) > 1 as bought_again,
  min(bought_on) as first_purchase,
  max(bought_on) as last_purchase
from purchases
group by customer_id
