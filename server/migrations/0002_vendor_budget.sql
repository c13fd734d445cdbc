-- Calls made to a vendor's host lately, for all accounts and processes: the vendor counts by address, not by tenant.
create table vendor_budget (
    account_id   uuid               not null default '00000000-0000-0000-0000-000000000000',
    host         text               not null,
    spent        double precision[] not null default '{}', -- seconds since 1970 by this server's clock, oldest first
    paused_until double precision   not null default 0,
    primary key (account_id, host)
);
