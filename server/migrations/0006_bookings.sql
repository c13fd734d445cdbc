-- A booking is what all its tellings together say, whatever the order they came in. For that each telling keeps whether
-- its time is the vendor's own, and when the API last answered with exactly this; a client's contact keeps, value by
-- value, the time for which it is known.

alter table booking_history add column dated boolean not null default true; -- changed_at is the vendor's, not our clock's
alter table booking_history add column read_at timestamptz;                 -- when the API last answered with this
update booking_history set
    dated = raw ? 'last_change_date',
    read_at = case when status = 'read' then received_at end;

alter table booking add column client_name_at timestamptz;
alter table booking add column client_phone_at timestamptz;
alter table booking add column client_email_at timestamptz;
update booking set
    client_name_at = case when client_name is not null then changed_at end,
    client_phone_at = case when client_phone_raw is not null then changed_at end,
    client_email_at = case when client_email is not null then changed_at end
    where client_id is not null;

alter table client add column name_at timestamptz;
alter table client add column phone_at timestamptz;
alter table client add column email_at timestamptz;
update client set
    name_at = case when name is not null then changed_at end,
    phone_at = case when phone_raw is not null then changed_at end,
    email_at = case when email is not null then changed_at end;
