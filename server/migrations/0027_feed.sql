-- What happens at an account's reception, numbered without gaps, in the order in which it became true.
create table feed_head (
    account_id uuid   not null primary key,
    seq        bigint not null                  -- of the newest event; its row is the lock that gives the order
);

create table feed (
    account_id uuid        not null,
    seq        bigint      not null,
    kind       text        not null,
    subject    text        not null,            -- call:ID, chat:ID, form:ID
    once       text,                            -- what must be told once only
    payload    jsonb       not null,            -- {"event": …, "item": …}; no secret in it
    at         timestamptz not null,
    primary key (account_id, seq),
    unique (account_id, once)
);
create index feed_by_subject on feed (account_id, subject, seq);
create index feed_by_age on feed (at);

-- How each call, chat and form stands after its events: what a late-comer is shown.
create table feed_item (
    account_id uuid        not null,
    subject    text        not null,
    kind       text        not null check (kind in ('call', 'chat', 'form')),
    state      text        not null,
    item       jsonb       not null,
    seq        bigint      not null,            -- of the event that changed it last
    changed_at timestamptz not null,
    primary key (account_id, subject)
);
create index feed_item_recent on feed_item (account_id, changed_at);
create index feed_item_by_age on feed_item (changed_at);
create index feed_item_silent on feed_item (state, changed_at) where state in ('ringing', 'talking');
