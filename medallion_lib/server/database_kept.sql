-- What keeps databases from being dropped, though their sessions are ended and the slot is gone.
SELECT database, string_agg(reason, ', ')
FROM (
    SELECT database, 'it has a prepared transaction, ' || gid AS reason FROM pg_prepared_xacts
    UNION ALL
    SELECT database, 'it is used by an active logical replication slot, ' || slot_name
    FROM pg_replication_slots
    WHERE active AND slot_name <> %(slot)s
    UNION ALL
    SELECT datname, 'it has a subscription, ' || subname
    FROM pg_subscription
    JOIN pg_database ON pg_database.oid = subdbid
) AS kept
WHERE database = ANY (%(databases)s)
GROUP BY database
