-- What is to reach another system: one row a thing (the lead or the deal of a booking), with every attempt beside it.
create table delivery (
    account_id      uuid        not null,
    delivery_id     uuid        not null,
    kind            text        not null check (kind in ('lead', 'deal')),
    subject_id      uuid        not null,           -- the booking
    state           text        not null check (state in ('waiting', 'delivered', 'retrying', 'failed', 'held', 'off')),
    attempts        integer     not null default 0, -- since it was last asked for
    in_flight       boolean     not null default false, -- sent, and no answer noted: look it up before sending again
    vendor_id       text,
    code            text        not null default '',
    error           text,
    next_attempt_at timestamptz,
    wanted          jsonb       not null default '{}', -- what should stand there, as last decided
    sent            jsonb,                             -- what does stand there
    sent_at         timestamptz,
    corrections     integer     not null default 0,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    primary key (account_id, delivery_id),
    unique (account_id, kind, subject_id)
);
create index delivery_due on delivery (account_id, kind, next_attempt_at) where state in ('waiting', 'retrying');
create index delivery_by_time on delivery (account_id, updated_at desc, delivery_id);

create table delivery_attempt (
    account_id  uuid        not null,
    delivery_id uuid        not null,
    attempt_id  uuid        not null,
    at          timestamptz not null,
    outcome     text        not null,               -- delivered, retry, refused, held, uncertain
    code        text        not null default '',
    detail      text        not null default '',
    primary key (account_id, delivery_id, attempt_id)
);

alter table lead
    drop column delivery_state, drop column uis_id, drop column delivery_attempts, drop column last_error,
    drop column next_attempt_at;

-- Since when an integration is on; null while it is off. What was booked before is not sent by itself.
alter table integration add column enabled_at timestamptz;
