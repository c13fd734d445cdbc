-- Calls, chats and forms are deleted when they are old; what was told of each goes with it.
create index call_by_age on call (started_at);
create index text_by_age on text_communication (started_at);
alter table call_event add foreign key (account_id, call_id) references call on delete cascade;
alter table text_event add foreign key (account_id, text_id) references text_communication on delete cascade;
