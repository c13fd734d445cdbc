-- A record of the vendor that cannot be read is passed over and counted: it stops no other.
alter table reconcile add column unreadable text[] not null default '{}'; -- ids as the vendor wrote them, each once
alter table backfill add column unreadable integer not null default 0;

-- What a backfill reads is settled when it starts: [branch id, first day, last day] each, in order. A branch or a zone
-- that changes meanwhile moves no place. Null: begun before this column, settled at its next step.
alter table backfill add column parts jsonb;
