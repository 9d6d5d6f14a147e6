-- The captured tables at the source: their rows now, and the bytes of tables and indexes.
WITH captured AS (
    SELECT name::regclass AS relation
    FROM unnest(ARRAY['customer', 'film', 'inventory', 'rental', 'payment']) AS name
    UNION ALL
    SELECT inhrelid::regclass
    FROM pg_inherits
    WHERE inhparent = 'payment'::regclass  -- the partitions hold its rows
)
SELECT
    (SELECT count(*) FROM customer) + (SELECT count(*) FROM film) + (SELECT count(*) FROM inventory)
        + (SELECT count(*) FROM rental) + (SELECT count(*) FROM payment) AS rows,
    sum(pg_total_relation_size(relation))::bigint AS bytes
FROM captured
