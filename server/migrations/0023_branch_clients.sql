-- Clients of a branch in the booking system, as calls, chats and forms want them: one row a phone and branch.
create table branch_client (
    account_id       uuid        not null,
    branch_client_id uuid        not null,
    company_id       bigint      not null,
    phone            text        not null,            -- E.164
    name             text        not null default '', -- of the first who named themselves
    email            text        not null default '',
    card_name        text        not null default '', -- of a card to be made where nobody gave a name; else as it stands
    label            text        not null default '', -- title of the category a made card gets
    make             boolean     not null,            -- whether it is made where the branch has none
    fill_empty       boolean     not null default false,
    wishes           integer     not null default 1,  -- how often something was wanted of it
    client_id        bigint,                          -- the vendor's; null until found or made
    how              text        not null default '' check (how in ('', 'found', 'made', 'absent')),
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    primary key (account_id, branch_client_id),
    unique (account_id, company_id, phone)
);

-- What is to be said in the card, each once by its key.
create table client_comment (
    account_id        uuid        not null,
    comment_id        uuid        not null,
    branch_client_id  uuid        not null,
    key               text        not null,
    source            text        not null,            -- call, chat, form
    name              text        not null default '', -- who it was, as they named themselves
    text              text        not null default '', -- empty: only somebody's name is to be known
    state             text        not null default 'waiting' check (state in ('waiting', 'written', 'needless')),
    tried             boolean     not null default false, -- sent, and no answer noted: looked for before it is repeated
    vendor_comment_id bigint,
    created_at        timestamptz not null,
    written_at        timestamptz,
    primary key (account_id, comment_id),
    unique (account_id, branch_client_id, key)
);
create index client_comment_by_key on client_comment (account_id, key);

-- The kinds of deliveries stand in delivery/relay.py alone.
alter table delivery drop constraint if exists delivery_kind_check;
