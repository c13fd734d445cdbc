-- The network a visit came from (IPv4, its last number 0): a session loaded into the analytics has to name an address.
alter table visit add column network text not null default '';
