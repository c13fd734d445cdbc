-- Which form events have the visit their mark stands for, not one they named: these follow when the mark turns out
-- to be another's.
alter table form_event add column by_mark boolean not null default false;
update form_event set by_mark = true
    where mark is not null and kind <> 'open' and (visit_id is null or client_id is not null);

-- Events of a mark are asked for by who used it: a link passed on may have thousands of users.
drop index form_event_by_mark;
create index form_event_by_mark on form_event (account_id, mark, client_id) where mark is not null;

-- Raw events without a visit are those with a mark; they are found by their id.
create index hit_without_visit on hit (account_id, event_id) where visit_id is null;
