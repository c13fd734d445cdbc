-- What webhooks missed: one row a branch says when its changes were last asked for, and what was found.
create table reconcile (
    account_id   uuid        not null,
    branch_id    uuid        not null,
    looked_until timestamptz,                       -- changes up to here are known; null: never looked
    next_at      timestamptz not null,
    lease_until  timestamptz,
    period_s     integer     not null,              -- shorter where much is missed, longer where nothing is
    looks        bigint      not null default 0,
    missed       bigint      not null default 0,    -- in all
    last_read    integer     not null default 0,
    last_missed  integer     not null default 0,
    last_at      timestamptz,
    last_error   text        not null default '',
    primary key (account_id, branch_id)
);
create index reconcile_due on reconcile (next_at);

-- Bookings of past months, read once, slice by slice; a step ends with its place kept, so a crash repeats one page.
create table backfill (
    account_id  uuid        not null,
    backfill_id uuid        not null,
    asked_at    timestamptz not null,
    since       timestamptz not null,
    until       timestamptz not null,
    state       text        not null check (state in ('running', 'paused', 'done', 'cancelled')),
    slices      integer     not null,               -- branches × weeks
    slice       integer     not null default 0,     -- the one being read, from 0
    page        integer     not null default 1,
    read        integer     not null default 0,
    stored      integer     not null default 0,     -- of those: new here, or newer than what was here
    next_at     timestamptz not null,
    lease_until timestamptz,
    ended_at    timestamptz,
    last_error  text        not null default '',
    primary key (account_id, backfill_id)
);
create unique index backfill_one_open on backfill (account_id) where state in ('running', 'paused');
create index backfill_due on backfill (next_at) where state = 'running';
