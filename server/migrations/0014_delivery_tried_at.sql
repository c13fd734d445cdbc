-- When the last try began, or ended: what it may have brought shows in the other system only after a while.
alter table delivery add column tried_at timestamptz;
