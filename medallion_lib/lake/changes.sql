-- The changes of one table from one position up to another, with a column for each of the source's.
-- What counts as a change is merge's to say: the row's hash goes along.
COPY (
    SELECT lsn, seq, op, commit_ts, load_ts, op = 'T' OR op = 'D' OR ({is_fit}) AS is_fit,
           {row_hash} AS row_hash, {values}
    FROM (
        SELECT lsn, seq, op, commit_ts, load_ts, {row} AS full_row
        FROM {bronze}
        WHERE lsn >= {since} AND lsn < {upto}
        OFFSET 0
    ) AS change
) TO STDOUT (FORMAT csv)
