-- Screens of the workplace: a browser extension, a frame inside the booking system, a tab. Each is logged in by itself.
create table device (
    account_id    uuid        not null,
    device_id     uuid        not null,
    person_id     uuid        not null,
    kind          text        not null check (kind in ('extension', 'frame', 'tab')),
    name          text        not null default '',   -- of the browser
    secret_hash   bytea       not null,              -- changes whenever it is used (that of a cookie does not)
    former_hash   bytea,                             -- the one before: used late, it was stolen
    renewed_at    timestamptz not null,
    opened_by     bytea,                             -- login session it came from: its log-out ends this one, too
    created_at    timestamptz not null,
    last_seen_at  timestamptz not null,
    expires_at    timestamptz not null,
    primary key (account_id, device_id),
    foreign key (account_id, person_id) references person (account_id, person_id) on delete cascade
);
create index device_by_secret on device (secret_hash);
create index device_by_former on device (former_hash) where former_hash is not null;
create index device_by_id on device (device_id);
create index device_by_opener on device (account_id, opened_by);

-- Bearers, kept in the memory of a page for minutes.
create table device_token (
    account_id uuid        not null,
    token_hash bytea       not null,
    device_id  uuid        not null,
    expires_at timestamptz not null,
    primary key (account_id, token_hash),
    foreign key (account_id, device_id) references device (account_id, device_id) on delete cascade
);
create index device_token_by_hash on device_token (token_hash);
create index device_token_by_device on device_token (account_id, device_id);

-- What is handed over once: a code that pairs a screen, a ticket that opens a socket.
create table once_token (
    account_id uuid        not null,
    token_hash bytea       not null,
    kind       text        not null check (kind in ('pairing', 'ticket')),
    person_id  uuid        not null,
    device_id  uuid,                                 -- of a ticket
    opened_by  bytea,                                -- of a pairing: the login session of who pressed
    expires_at timestamptz not null,
    primary key (account_id, token_hash)
);
create index once_token_by_hash on once_token (token_hash);

-- What operators did, by the id their screen gave it: repeated, it is done once.
create table workplace_command (
    account_id uuid        not null,
    command_id uuid        not null,
    person_id  uuid        not null,
    name       text        not null,
    answer     jsonb,                                -- null: under way, or broken off
    at         timestamptz not null,
    primary key (account_id, command_id)
);
create index workplace_command_by_age on workplace_command (at);

-- Whose telephone rings when a person orders a call.
create table operator (
    account_id     uuid   not null,
    person_id      uuid   not null,
    employee_id    bigint,                           -- of the telephony
    virtual_number text   not null default '',       -- shown to clients; empty: that of the call which is returned
    primary key (account_id, person_id),
    foreign key (account_id, person_id) references person (account_id, person_id) on delete cascade
);

-- Who is here, who is answering: a crash of the database may forget it.
create unlogged table workplace_presence (
    account_id uuid        not null,
    person_id  uuid        not null,
    place_id   uuid        not null,                 -- a process of the server
    seen_at    timestamptz not null,
    primary key (account_id, person_id, place_id)
);
create unlogged table workplace_lock (
    account_id uuid        not null,
    subject    text        not null,
    person_id  uuid        not null,
    until      timestamptz not null,
    primary key (account_id, subject)
);

-- The adapter of the chats has credentials of its own.
alter table connection drop constraint connection_vendor_check;
alter table connection add check (vendor in ('yclients', 'uis', 'uis_chat'));
