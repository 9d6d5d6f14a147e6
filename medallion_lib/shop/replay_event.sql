-- The year's events that a replay plays, one a transaction, as data/events.csv holds them.
CREATE TEMPORARY TABLE event (
    at            timestamptz PRIMARY KEY,
    event         text NOT NULL,
    rental_id     integer,
    payment_id    integer,
    customer_id   integer,
    inventory_id  integer,
    film_id       integer,
    store_id      integer,
    staff_id      integer,
    address_id    integer,
    amount        numeric(5, 2),
    payment_date  timestamptz,
    detail        jsonb
)
