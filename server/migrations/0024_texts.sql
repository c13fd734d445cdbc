-- Chats and site forms of UIS: what was told of each, as it now stands, and what was done about it or why not.
create table text_communication (
    account_id       uuid        not null,
    text_id          uuid        not null,
    kind             text        not null check (kind in ('chat', 'form')),
    vendor_id        bigint      not null,            -- of the chat or the form in UIS
    communication_id bigint,
    status           text        not null default 'going_on' check (status in ('going_on', 'ended', 'lost', 'refused', 'sent')),
    started_at       timestamptz not null,
    ended_at         timestamptz,
    facts            jsonb       not null default '{}', -- as `chats.model.Text` has them
    has_phone        boolean     not null default false,
    company_id       bigint,                          -- the branch it belongs to by the settings
    state            text        not null default 'waiting' check (state in ('waiting', 'done', 'skipped')),
    reason           text        not null default '', -- why nothing was done, or what it waits for
    branch_client_id uuid,
    asked            boolean     not null default false, -- the owner asked for its time by hand
    reads            integer     not null default 0,
    next_read_at     timestamptz,                     -- when UIS is to be asked about it
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    primary key (account_id, text_id),
    unique (account_id, kind, vendor_id)
);
create index text_by_time on text_communication (account_id, kind, started_at desc, text_id);
create index text_by_communication on text_communication (account_id, communication_id) where communication_id is not null;
create index text_to_read on text_communication (account_id, next_read_at) where next_read_at is not null;

-- Everything that was told of it, once each: what stands above is a function of these.
create table text_event (
    account_id uuid        not null,
    text_id    uuid        not null,
    event_id   uuid        not null,
    key        text        not null,
    event      text        not null,                  -- start, end, lost, tag, untag, sent, report, talk
    source     text        not null check (source in ('notification', 'report')),
    at         timestamptz not null,
    told_at    timestamptz not null,
    facts      jsonb       not null,
    primary key (account_id, event_id),
    unique (account_id, text_id, key)
);

-- Tags that were set on a chat nobody told of yet: looked up by its communication.
create table text_lookup (
    account_id       uuid        not null,
    communication_id bigint      not null,
    tries            integer     not null default 0,
    next_at          timestamptz not null,
    created_at       timestamptz not null,
    primary key (account_id, communication_id)
);

-- How far each account's reports of chats and forms are read.
create table text_watch (
    account_id    uuid        not null primary key,
    next_look_at  timestamptz not null,
    lease_until   timestamptz,
    period_s      double precision not null,
    compared_at   timestamptz,                        -- when past ones were last compared as well
    looks         bigint      not null default 0,
    missed        bigint      not null default 0,     -- found here, and never told by a notification
    last_error    text        not null default '',
    asked_from    timestamptz,                        -- a backfill by button: from here
    asked_till    timestamptz,
    asked_done    timestamptz,                        -- read so far
    asked_found   bigint      not null default 0,
    asked_at      timestamptz
);
