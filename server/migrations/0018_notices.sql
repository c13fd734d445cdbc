-- An outage of what leads to another system, and what the owner was told of it: at most one notice of each sort.
create table outage (
    account_id uuid        not null,
    outage_id  uuid        not null,
    topic      text        not null,            -- a vendor (its connection), or a kind of deliveries that alone is held
    began_at   timestamptz not null,
    tries      integer     not null default 0,  -- rounds in a row in which nothing got through
    ended_at   timestamptz,
    primary key (account_id, outage_id)
);
create unique index outage_open on outage (account_id, topic) where ended_at is null;

create table notice (
    account_id uuid        not null,
    notice_id  uuid        not null,
    outage_id  uuid        not null,
    sort       text        not null check (sort in ('failing', 'exhausted', 'recovered')),
    topic      text        not null,
    at         timestamptz not null,
    code       text        not null default '',
    detail     text        not null default '',
    primary key (account_id, notice_id),
    unique (account_id, outage_id, sort)
);
create index notice_by_time on notice (account_id, at desc, notice_id desc);
