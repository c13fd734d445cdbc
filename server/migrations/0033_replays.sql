-- Many deliveries sent again at a person's word: what was asked for, and how far it has come.
create table delivery_replay (
    account_id uuid        not null,
    replay_id  uuid        not null,
    state      text        not null check (state in ('failed', 'held')), -- of the deliveries that are sent again
    kind       text,
    code       text,
    since      timestamptz,
    until      timestamptz,
    total      integer     not null,            -- counted when it began
    released   integer     not null default 0,  -- let go so far
    after_at   timestamptz,                     -- the last one let go; each is let go once
    after_id   uuid,
    run        text        not null default 'running' check (run in ('running', 'done', 'cancelled')),
    created_at timestamptz not null,
    ended_at   timestamptz,
    primary key (account_id, replay_id)
);
create unique index delivery_replay_running on delivery_replay (account_id) where run = 'running';
create index delivery_replay_by_time on delivery_replay (account_id, created_at desc);

alter table delivery add column replay_id uuid;
create index delivery_of_replay on delivery (account_id, replay_id) where replay_id is not null;
create index delivery_by_state on delivery (account_id, state, created_at, delivery_id) where state in ('failed', 'held');
