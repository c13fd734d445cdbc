-- Calls as their events tell them: every column but what was done is worked out of `call_event` anew each time.
create table call (
    account_id   uuid        not null,
    call_id      uuid        not null,
    session_id   text        not null,             -- the telephony's own id
    direction    text        not null check (direction in ('in', 'out', 'internal')),
    state        text        not null check (state in ('ringing', 'talking', 'over')),
    outcome      text        not null default '' check (outcome in ('', 'answered', 'missed', 'voice_mail')),
    told         boolean     not null default false, -- its end was told; else it is a guess
    started_at   timestamptz not null,
    ended_at     timestamptz,
    contact      text        not null default '',  -- as it came
    number       text        not null default '',  -- the virtual one, digits
    employee     text        not null default '',
    transferred  boolean     not null default false,
    talk_s       integer     not null default 0,
    wait_s       integer     not null default 0,
    facts        jsonb       not null default '{}', -- site, source, scenario, tags
    network_id   uuid,
    company_id   bigint,
    record       bytea,                            -- link to the recording, AES-GCM bound to this row
    asked        boolean     not null default false, -- read because the owner asked for past months
    looked_at    timestamptz,                      -- when the report was last asked about it
    popup        text        not null default '' check (popup in ('', 'wanted', 'shown', 'dropped', 'failed', 'skipped')),
    popup_why    text        not null default '',
    popup_note   text        not null default '',
    popup_at     timestamptz,
    history      text        not null default '' check (history in ('', 'held', 'wanted', 'skipped')),
    history_why  text        not null default '',
    history_at   timestamptz,                      -- of a held one: until when at most
    client       text        not null default '' check (client in ('', 'wanted', 'skipped')),
    client_why   text        not null default '',
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (account_id, call_id),
    unique (account_id, session_id)
);
create index call_by_time on call (account_id, started_at desc, call_id);
create index call_open on call (account_id, started_at) where state <> 'over';

create table call_event (
    account_id  uuid        not null,
    call_id     uuid        not null,
    key         text        not null,              -- equal for repeated tellings of one event
    event       text        not null,
    at          timestamptz not null,
    received_at timestamptz not null,
    facts       jsonb       not null,
    record      bytea,                             -- as in `call`
    primary key (account_id, call_id, key)
);

-- How far the report of the telephony was read: what notifications missed, and past months.
create table call_reading (
    account_id   uuid        not null,
    what         text        not null check (what in ('recent', 'past')),
    looked_until timestamptz,
    until        timestamptz,                      -- of past months: where the reading began, back to `since`
    since        timestamptz,
    next_at      timestamptz not null,
    lease_until  timestamptz,
    read         integer     not null default 0,
    missed       integer     not null default 0,   -- of those: no end was told by notifications
    last_error   text        not null default '',
    primary key (account_id, what)
);
create index call_reading_due on call_reading (next_at);

-- Notifications of UIS are worked apart: while a phone rings nobody waits behind a storm of bookings.
create index inbox_waiting_uis on inbox (run_at, inbox_id) where state = 'waiting' and vendor = 'uis';

-- When somebody last had to be called at once: for some minutes after that the others leave more room.
alter table vendor_budget add column urgent_at double precision not null default 0;
