-- Branches joined by the application of the vendor's marketplace. The credentials are the application's own (a setting of
-- the operator); the row says whether they may be used for this branch, and is all there is to take away.
create table app_link (
    account_id   uuid        not null references account,
    company_id   bigint      not null,
    state        text        not null
                 check (state in ('connecting', 'active', 'frozen', 'refused', 'uninstalled')),
    code         text        not null default '', -- why it is refused, or not yet active; a sentence of the cabinet each
    note         text        not null default '', -- the vendor's own words
    attempts     integer     not null default 0,  -- in a row without an answer
    confirmed_by uuid,                            -- who agreed in the cabinet
    asked_at     timestamptz not null,            -- when it was confirmed
    active_since timestamptz,
    checked_at   timestamptz,
    next_at      timestamptz,
    primary key (account_id, company_id)
);
create index app_link_by_company on app_link (company_id);
-- By what a branch may be read, the one place that says so: the application where it is active; nothing while it is
-- frozen; else the account's own login.
create view readable_branch as
    select b.account_id, b.branch_id, b.company_id, case when l.state = 'active' then 'app' else 'login' end as via
    from branch b
    left join app_link l on l.account_id = b.account_id and l.company_id = b.company_id
    left join connection c on c.account_id = b.account_id and c.vendor = 'yclients'
    where case l.state when 'active' then true when 'frozen' then false else coalesce(c.state = 'active', false) end;
