-- The first schema. Every table starts with account_id and every key and unique index contains it, so that a
-- tenant's rows stay together (create_distributed_table(..., 'account_id')). Times are timestamptz, money numeric.

-- ---------------------------------------------------------------- accounts

create table account (
    account_id   uuid        not null primary key,
    name         text        not null,
    locale       text        not null default 'ru' check (locale in ('ru', 'en')),
    phone_region text        not null default 'RU',
    currency     text        not null default 'RUB',
    hash_key     bytea       not null,            -- sealed; keys the HMAC of phones and e-mails
    settings     jsonb       not null default '{}',
    created_at   timestamptz not null default now()
);

create table site (
    account_id uuid        not null references account,
    site_id    uuid        not null,
    domain     text        not null,
    site_key   text        not null,              -- public: stands in the page
    form_key   text        not null,
    created_at timestamptz not null default now(),
    primary key (account_id, site_id)
);
create index site_by_site_key on site (site_key);
create index site_by_form_key on site (form_key);

create table branch (
    account_id uuid        not null references account,
    branch_id  uuid        not null,
    company_id bigint      not null,
    title      text        not null default '',
    timezone   text        not null,
    created_at timestamptz not null default now(),
    primary key (account_id, branch_id),
    unique (account_id, company_id)
);

create table hook_token (
    account_id   uuid        not null references account,
    token_hash   bytea       not null,            -- SHA-256; the token itself is shown once
    sealed_token bytea       not null,            -- so that the owner's page can show the address again
    vendor       text        not null check (vendor in ('yclients', 'uis')),
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at   timestamptz,
    primary key (account_id, token_hash)
);
create index hook_token_by_hash on hook_token (token_hash);

create table api_token (
    account_id   uuid        not null references account,
    token_hash   bytea       not null,
    name         text        not null,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at   timestamptz,
    primary key (account_id, token_hash)
);
create index api_token_by_hash on api_token (token_hash);

create table person (
    account_id    uuid        not null references account,
    person_id     uuid        not null,
    email         text        not null,           -- lower case
    name          text        not null default '',
    password_hash text,                           -- argon2id; null until a password is set
    role          text        not null default 'owner' check (role in ('owner', 'technician', 'marketer', 'operator')),
    locale        text        check (locale in ('ru', 'en')),
    created_at    timestamptz not null default now(),
    primary key (account_id, person_id),
    unique (account_id, email)
);
create index person_by_email on person (email);

create table login_link (
    account_id uuid        not null,
    link_hash  bytea       not null,
    person_id  uuid        not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    primary key (account_id, link_hash),
    foreign key (account_id, person_id) references person
);
create index login_link_by_hash on login_link (link_hash);

create table login_session (
    account_id   uuid        not null,
    session_hash bytea       not null,
    person_id    uuid        not null,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    user_agent   text        not null default '',
    primary key (account_id, session_hash),
    foreign key (account_id, person_id) references person
);
create index login_session_by_hash on login_session (session_hash);

-- login_attempt is by e-mail, known or not, so that nobody learns from delays which exist
create table login_attempt (
    account_id   uuid        not null default '00000000-0000-0000-0000-000000000000',
    subject_hash bytea       not null,
    failures     integer     not null,
    last_at      timestamptz not null,
    primary key (account_id, subject_hash)
);

create table connection (
    account_id  uuid        not null references account,
    vendor      text        not null check (vendor in ('yclients', 'uis')),
    name        text        not null,
    sealed      bytea       not null,             -- credentials, AES-GCM bound to this row
    state       text        not null default 'active' check (state in ('active', 'refused', 'off')),
    state_note  text        not null default '',
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (account_id, vendor)
);

create table integration (
    account_id uuid        not null references account,
    name       text        not null check (name in ('leads', 'deals', 'telephony', 'texts')),
    settings   jsonb       not null,
    updated_at timestamptz not null default now(),
    primary key (account_id, name)
);

-- ---------------------------------------------------------------- delivery: inbox, quarantine, jobs, refusals

-- Raw bytes, committed before the answer. Partitioned by day: retention drops whole days.
create table inbox (
    account_id   uuid        not null,
    received_at  timestamptz not null,
    inbox_id     uuid        not null,
    vendor       text        not null,
    content_type text        not null default '',
    body         bytea       not null,
    body_size    integer     not null,            -- of the whole body; `body` holds at most its beginning
    state        text        not null default 'waiting'
                 check (state in ('waiting', 'stored', 'kept', 'duplicate', 'quarantined')),
    attempts     smallint    not null default 0,
    run_at       timestamptz not null,            -- when to try (again)
    note         text        not null default '',
    done_at      timestamptz,
    primary key (account_id, received_at, inbox_id)
) partition by range (received_at);
create table inbox_default partition of inbox default;
create index inbox_waiting on inbox (run_at, inbox_id) where state = 'waiting';
create index inbox_by_id on inbox (account_id, inbox_id);

create table quarantine (
    account_id    uuid        not null,
    quarantine_id uuid        not null,
    inbox_id      uuid        not null,
    received_at   timestamptz not null,
    position      integer     not null default 0, -- which item of an array
    source        text        not null,           -- yclients, uis
    reason        text        not null,           -- a code of delivery.words
    detail        text        not null default '',
    company_id    bigint,
    body          bytea       not null,
    state         text        not null default 'open' check (state in ('open', 'replayed', 'dismissed')),
    replayed_at   timestamptz,
    primary key (account_id, quarantine_id),
    unique (account_id, inbox_id, position)
);
create index quarantine_open on quarantine (account_id, received_at desc) where state = 'open';

-- What was refused at the door and is not kept whole: one row a reason and hour, with one sample.
create table refusal (
    account_id uuid        not null,
    hour       timestamptz not null,
    door       text        not null,              -- collector, yclients, uis
    reason     text        not null,
    detail     text        not null default '',
    count      bigint      not null,
    last_at    timestamptz not null,
    sample     text        not null default '',
    primary key (account_id, hour, door, reason, detail)
);

-- How many were accepted and what became of them, by hour: accepted = sum of the others + still waiting.
create table ledger (
    account_id uuid        not null,
    hour       timestamptz not null,
    door       text        not null,
    outcome    text        not null,              -- accepted, stored, kept, duplicate, quarantined
    count      bigint      not null,
    primary key (account_id, hour, door, outcome)
);

create table job (
    account_id  uuid        not null,
    job_id      uuid        not null,
    kind        text        not null,
    key         text        not null,             -- order is kept per key; one waiting job per (kind, key)
    payload     jsonb       not null default '{}',
    run_at      timestamptz not null,
    state       text        not null default 'waiting' check (state in ('waiting', 'running', 'dead')),
    attempts    integer     not null default 0,
    lease_until timestamptz,
    last_error  text        not null default '',
    created_at  timestamptz not null default now(),
    primary key (account_id, job_id)
);
create unique index job_once_waiting on job (account_id, kind, key) where state = 'waiting';
create index job_due on job (run_at) where state = 'waiting';
create index job_leased on job (lease_until) where state = 'running';

-- ---------------------------------------------------------------- tracking

-- What the scripts sent, as it came, one COPY a flush; `hit_batch` says what is still to be worked into visits.
create table hit (
    account_id  uuid        not null,
    received_at timestamptz not null,
    batch_id    uuid        not null,
    event_id    text        not null,
    kind        text        not null,
    occurred_at timestamptz not null,
    visit_id    text,
    site_id     uuid        not null,
    place       text        not null,             -- site, form: which script's key it came with
    bot         boolean     not null,
    visit       jsonb,                            -- description of the visit, on its first event in a request
    payload     jsonb       not null
) partition by range (received_at);
create table hit_default partition of hit default;
create index hit_by_batch on hit (account_id, batch_id);
create index hit_by_visit on hit (account_id, visit_id, occurred_at) where visit_id is not null;

create table hit_batch (
    account_id  uuid        not null,
    batch_id    uuid        not null,
    received_at timestamptz not null,
    events      integer     not null,
    run_at      timestamptz not null,
    attempts    smallint    not null default 0,
    primary key (account_id, batch_id)
);
create index hit_batch_due on hit_batch (run_at, batch_id);

-- Effect once per event id. Ids of late repeats come within days; older rows are pruned.
create table event_once (
    account_id uuid        not null,
    event_id   text        not null,
    seen_at    timestamptz not null,
    primary key (account_id, event_id)
);
create index event_once_age on event_once using brin (seen_at);

create table visit (
    account_id     uuid        not null,
    visit_id       text        not null,
    site_id        uuid        not null,
    visitor_id     text        not null,
    started_at     timestamptz not null,
    last_seen_at   timestamptz not null,
    described      boolean     not null,          -- false: only its events came, not yet its description
    landing_page   text        not null default '',
    referrer       text        not null default '',
    channel        text        not null,
    source         text,
    medium         text,
    campaign       text,
    utm            jsonb       not null default '{}',
    click_ids      jsonb       not null default '{}',
    referral_kind  text,
    advice         jsonb       not null default '[]',
    rules_version  text        not null,
    uis_session_id text,
    uis_visitor_id text,
    device         text        not null default 'unknown',
    browser        text        not null default '',
    bot            boolean     not null default false,
    hits           integer     not null default 0,
    place          text        not null check (place in ('site', 'form')), -- which script told of it
    primary key (account_id, visit_id)
);
create index visit_by_time on visit (account_id, started_at desc, visit_id);
create index visit_by_visitor on visit (account_id, visitor_id, started_at);

create table mark (
    account_id   uuid        not null,
    mark         text        not null,
    visit_id     text,                            -- null until its `open` event came
    form_host    text        not null default '',
    opened_at    timestamptz,
    client_id    text,                            -- the browser that used it first
    first_form_at timestamptz,
    created_at   timestamptz not null,
    primary key (account_id, mark)
);

-- What a visitor did with the form, as evidence for matching. One row an event.
create table form_event (
    account_id  uuid        not null,
    event_id    text        not null,
    kind        text        not null check (kind in ('open', 'form', 'step', 'booked', 'record', 'contact')),
    occurred_at timestamptz not null,
    visit_id    text,
    mark        text,
    client_id   text,
    form_host   text        not null default '',
    form_id     bigint,
    company_id  bigint,
    record_id   bigint,
    mobile      boolean,
    step        text,
    facts       jsonb       not null default '{}', -- services, staff, slot, via
    phone_hash  bytea,
    email_hash  bytea,
    primary key (account_id, event_id)
);
create index form_event_by_time on form_event (account_id, occurred_at);
create index form_event_by_record on form_event (account_id, company_id, record_id) where record_id is not null;
create index form_event_by_mark on form_event (account_id, mark) where mark is not null;
create index form_event_by_visit on form_event (account_id, visit_id, occurred_at);
create index form_event_by_phone on form_event (account_id, phone_hash) where phone_hash is not null;
create index form_event_by_email on form_event (account_id, email_hash) where email_hash is not null;

-- ---------------------------------------------------------------- bookings

create table booking (
    account_id        uuid        not null,
    booking_id        uuid        not null,
    branch_id         uuid        not null,
    company_id        bigint      not null,
    record_id         bigint      not null,
    created_at        timestamptz not null,       -- the vendor's create_date; else when we first heard of it
    changed_at        timestamptz not null,       -- version: last_change_date; else when we heard of the change
    change_rank       smallint    not null,       -- decides within one second: create 0, update 1, delete 2
    created_known     boolean     not null,       -- false: created_at is only when we first heard of it
    received_at       timestamptz not null,
    updated_at        timestamptz not null,
    read_at           timestamptz,                -- when it was last read by API
    starts_at         timestamptz,
    starts_at_local   text,
    online            boolean,
    origin            text        not null default 'unknown',
    origin_facts      jsonb       not null default '{}', -- raw fields, read once at creation
    origin_fixed      boolean     not null default false,
    attendance        smallint,
    deleted           boolean     not null default false,
    client_id         bigint,
    client_name       text,
    client_phone      text,                       -- E.164
    client_phone_raw  text,
    client_email      text,
    phone_hash        bytea,
    email_hash        bytea,
    services          jsonb,                      -- [{id, title, cost}]
    amount            numeric(14, 2),
    currency          text        not null,
    staff_id          bigint,
    staff_name        text,
    length_s          integer,
    vendor_visit_id   bigint,
    activity_id       bigint,
    comment           text,
    mark              text,
    content_hash      bytea       not null,
    raw               jsonb       not null,
    primary key (account_id, booking_id),
    unique (account_id, company_id, record_id)
);
create index booking_by_time on booking (account_id, created_at desc, booking_id);
create index booking_by_company_time on booking (account_id, company_id, created_at);
create index booking_by_client on booking (account_id, company_id, client_id) where client_id is not null;
create index booking_by_mark on booking (account_id, mark) where mark is not null;
create index booking_by_phone on booking (account_id, phone_hash) where phone_hash is not null;

create table booking_history (
    account_id  uuid        not null,
    booking_id  uuid        not null,
    history_id  uuid        not null,
    changed_at  timestamptz not null,
    received_at timestamptz not null,
    status      text        not null,             -- create, update, delete, read
    applied     boolean     not null,             -- false: older than what was stored, kept for the record
    changes     jsonb       not null default '{}', -- field -> [before, after]
    content_hash bytea      not null,
    inbox_id    uuid,
    raw         jsonb       not null,
    primary key (account_id, booking_id, history_id)
);
create index booking_history_once on booking_history (account_id, booking_id, content_hash);

create table client (
    account_id uuid        not null,
    company_id bigint      not null,
    client_id  bigint      not null,
    changed_at timestamptz not null,
    name       text,
    phone      text,
    phone_raw  text,
    email      text,
    deleted    boolean     not null default false,
    content_hash bytea     not null,
    raw        jsonb       not null,
    primary key (account_id, company_id, client_id)
);

-- ---------------------------------------------------------------- matching and leads

create table booking_match (
    account_id    uuid        not null,
    booking_id    uuid        not null,
    visit_id      text,
    level         text        not null,
    method        text        not null,
    probability   double precision not null,
    margin_bits   double precision,
    reason_code   text        not null,
    reason_params jsonb       not null default '{}',
    evidence      jsonb       not null default '[]',
    alternatives  jsonb       not null default '[]',
    engine        text        not null,
    decided_at    timestamptz not null,
    waits_until   timestamptz,                    -- not null: the browser's report may still come
    primary key (account_id, booking_id)
);
create index booking_match_by_visit on booking_match (account_id, visit_id) where visit_id is not null;

create table booking_match_log (
    account_id uuid        not null,
    booking_id uuid        not null,
    log_id     uuid        not null,
    at         timestamptz not null,
    cause      text        not null,
    before     jsonb,
    after      jsonb       not null,
    primary key (account_id, booking_id, log_id)
);

create table lead (
    account_id       uuid        not null,
    lead_id          uuid        not null,
    booking_id       uuid        not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    attribution_kind text        not null check (attribution_kind in ('visit', 'default', 'app')),
    campaign_id      bigint,
    source_id        bigint,
    uis_site_id      bigint,
    delivery_state   text        not null default 'off'
                     check (delivery_state in ('waiting', 'delivered', 'retrying', 'failed', 'held', 'off')),
    uis_id           text,
    delivery_attempts integer    not null default 0,
    last_error       text,
    next_attempt_at  timestamptz,
    primary key (account_id, lead_id),
    unique (account_id, booking_id)
);
create index lead_by_time on lead (account_id, created_at desc, lead_id);
