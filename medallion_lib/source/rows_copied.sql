-- The same as lines for bronze: their place, what they are, and the time of the snapshot.
COPY (
    SELECT {lsn}, {seq} + row_number() OVER (), 'R', row, {stamp}
    FROM ({rows}) AS read (row)
) TO STDOUT
