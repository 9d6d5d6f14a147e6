-- The same for bronze: their place, what they are, and the time of the snapshot. In binary form, for
-- one time would be read a million times; there jsonb is its version and its text.
COPY (
    SELECT {lsn}::bigint, ({seq} + row_number() OVER ())::integer, 'R', E'\x01' || row, {stamp}::timestamptz
    FROM ({rows}) AS read (row)
) TO STDOUT (FORMAT binary)
