-- What was told of a chat that is still to be found by its communication.
alter table text_lookup add column tellings jsonb not null default '[]';
