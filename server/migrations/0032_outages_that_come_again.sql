-- An outage that begins soon after the last one was told of keeps still until `quiet_until`; what is to be told then, if it
-- lasts, waits here.
alter table outage
    add column quiet_until   timestamptz,
    add column untold_sort   text,
    add column untold_code   text not null default '',
    add column untold_detail text not null default '';
create index notice_by_topic on notice (account_id, topic, at desc);
