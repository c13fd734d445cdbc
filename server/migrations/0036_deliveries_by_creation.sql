-- The list of deliveries goes from the newest down; what waits for a person is counted for every page.
create index delivery_by_creation on delivery (account_id, created_at desc, delivery_id desc);
