-- A login that waits for its code stands beside the connection that works, and for a quarter of an hour only.
create table waiting_login (
    account_id uuid        not null references account,
    vendor     text        not null,
    sealed     bytea       not null,              -- login and password, AES-GCM bound to this row
    recipient  text        not null,              -- where the code went, as the vendor shows it
    until      timestamptz not null,
    primary key (account_id, vendor)
);
-- Passwords that waited where the connection stands now are forgotten; these logins are repeated.
delete from connection where state = 'code_wanted';
