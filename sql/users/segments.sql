-- The members of one lifecycle stage; each stage is a partition, and :partition is its name.
-- A user is in exactly one stage, so one trait holds it. Segments that overlap would overwrite each other's value in a
-- shared trait: give each of those a sync and a boolean trait of its own, with `removed: {in_beta: false}`.
select
  user_id,
  segment as lifecycle,
  entered_at as lifecycle_since
from analytics.segment_members
where segment = :partition
