-- The journal of deals: each booking's deal as it was last decided. What of it stands in UIS is in `delivery`.
create table deal (
    account_id  uuid        not null,
    deal_id     uuid        not null,
    booking_id  uuid        not null,
    created_at  timestamptz not null,             -- the deal's, so the booking's
    updated_at  timestamptz not null,
    title       text        not null,
    funnel_key  text        not null,
    funnel_name text        not null,
    stage_key   text        not null,
    stage_name  text        not null,
    stage_kind  text        not null check (stage_kind in ('in_process', 'success', 'failed')),
    stage_at    timestamptz not null,
    amount      numeric,
    currency    text        not null,
    facts       jsonb       not null default '{}', -- responsible, fields, link, stages passed, moves held back
    primary key (account_id, deal_id),
    unique (account_id, booking_id)
);
create index deal_by_time on deal (account_id, created_at desc, deal_id);

-- What is held is let go together, and looked for after every group that got through.
create index delivery_held on delivery (account_id, kind) where state in ('held', 'off');
