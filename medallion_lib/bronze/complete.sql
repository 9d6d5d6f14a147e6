-- Rows of a table that was being added, whose old values the log does not have: each was landed as an
-- array of its key, its new values and the names of those that are as before. Now bronze has the row
-- before it. Of a delete, the values of the row before are all there is.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT lsn, seq, full_row -> 0 AS key, full_row -> 1 AS new_row, full_row -> 2 AS same
        FROM {bronze}
        WHERE lsn > {snapshot} AND op <> 'T' AND jsonb_typeof(full_row) = 'array'
        ORDER BY lsn, seq
    LOOP
        UPDATE {bronze} AS unfinished
        SET full_row = CASE WHEN unfinished.op = 'D' THEN last.full_row
                            ELSE part.new_row || (SELECT jsonb_object_agg(name, last.full_row -> name)
                                                  FROM jsonb_array_elements_text(part.same) AS name) END
        FROM (
            SELECT full_row
            FROM {bronze}
            WHERE full_row ->> {lookup} = part.key ->> {lookup} AND full_row @> part.key
              AND lsn >= {snapshot} AND (lsn, seq) < (part.lsn, part.seq)
            ORDER BY lsn DESC, seq DESC
            LIMIT 1
        ) AS last
        WHERE unfinished.lsn = part.lsn AND unfinished.seq = part.seq
          AND last.full_row ?& ARRAY(SELECT jsonb_array_elements_text(part.same));
    END LOOP;
END $$;
SELECT NOT EXISTS (SELECT FROM {bronze} WHERE lsn > {snapshot} AND jsonb_typeof(full_row) = 'array')
