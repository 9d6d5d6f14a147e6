-- Gives the months (UTC) of a batch's facts their partitions; odd dates stay in DEFAULT. They are
-- attached rather than created in place, which would wait behind every reader.
CREATE OR REPLACE PROCEDURE meta.attach_months(
    fact regclass, bronze regclass, dated text[], since_lsn bigint, upto_lsn bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    month timestamp;
    layer text;
    title text;
    part text;
BEGIN
    SET LOCAL lock_timeout = '5s';
    IF (SELECT relkind FROM pg_class WHERE oid = fact) <> 'p' THEN
        RAISE EXCEPTION USING ERRCODE = 'ST002', MESSAGE = meta.refusal(
            'not by month', 'table', fact::text, 'date', dated[1]);
    END IF;
    SELECT relnamespace::regnamespace, relname INTO layer, title FROM pg_class WHERE oid = fact;
    -- The date has had the names in `dated`; one that is none is for the merge to refuse.
    FOR month IN EXECUTE format(
        'SELECT DISTINCT date_trunc(''month'', date::timestamptz AT TIME ZONE ''UTC'') '
        'FROM %s CROSS JOIN LATERAL coalesce(%s) AS date '
        'WHERE lsn >= $1 AND lsn < $2 AND op NOT IN (''T'', ''D'') '
        'AND pg_input_is_valid(date, ''timestamptz'') ORDER BY 1',
        bronze, (SELECT string_agg(format('full_row ->> %L', name), ', ') FROM unnest(dated) AS name)
    ) USING since_lsn, upto_lsn
    LOOP
        part := title || to_char(month, '_YYYY_MM');
        CONTINUE WHEN month NOT BETWEEN '2000-01-01' AND '2099-12-01'
            OR to_regclass(format('%s.%I', layer, part)) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE %s.%I (LIKE %s INCLUDING ALL) WITH (fillfactor = 90)', layer, part, fact);
        EXECUTE format(
            'COMMENT ON TABLE %s.%I IS %L', layer, part, title || to_char(month, '" of "YYYY-MM" (UTC)."'));
        EXECUTE format(
            'ALTER TABLE %s ATTACH PARTITION %s.%I FOR VALUES FROM (%L) TO (%L)',
            fact, layer, part, month || ' UTC', month + interval '1 month' || ' UTC');
    END LOOP;
END $$;
COMMENT ON PROCEDURE meta.attach_months IS
    'Gives the months of a batch of rentals or payments their partitions, before they are merged.';
