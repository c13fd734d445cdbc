-- What holds for a whole kind of an account: when it was last let go (what a try begun before then met, is over), and
-- since when a person holds it up.
create table delivery_way (
    account_id  uuid        not null,
    kind        text        not null,
    released_at timestamptz,
    paused_at   timestamptz,
    primary key (account_id, kind)
);
