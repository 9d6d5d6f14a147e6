-- What time it is at the source, and where its log ends, as a number.
SELECT clock_timestamp(), (pg_current_wal_insert_lsn() - '0/0')::bigint
