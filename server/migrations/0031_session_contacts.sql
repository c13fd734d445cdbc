-- Who called or wrote from which session of the telephony: evidence for bookings that carry the same phone.
create table session_contact (
    account_id     uuid        not null,
    key            text        not null,              -- of the call or the chat
    kind           text        not null check (kind in ('call', 'chat')),
    at             timestamptz not null,
    uis_session_id text        not null,
    phone_hash     bytea       not null,              -- HMAC under the account's own key
    primary key (account_id, key)
);
create index session_contact_by_phone on session_contact (account_id, phone_hash, at);
create index session_contact_by_time on session_contact (at);
create index visit_by_session on visit (account_id, uis_session_id) where uis_session_id is not null;
