-- A network of YCLIENTS with its User token («Учетные данные» of telephony): calls are told with it.
create table network (
    account_id   uuid        not null,
    network_id   uuid        not null,
    name         text        not null,            -- as its owner calls the credentials
    token_hash   bytea       not null,            -- the same token is one network, however often it is entered
    sealed_token bytea       not null,
    wanted       boolean     not null default false, -- whether telephony is to be on in the vendor's cabinet
    state        text        not null default 'new' check (state in ('new', 'on', 'off', 'refused')),
    state_note   text        not null default '',
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (account_id, network_id),
    unique (account_id, token_hash)
);
