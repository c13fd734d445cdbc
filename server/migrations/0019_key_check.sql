-- A sealed value by which a server sees at its start whether its master key is the one this database was sealed with.
create table key_check (
    account_id uuid  not null primary key, -- nobody's
    sealed     bytea not null
);
