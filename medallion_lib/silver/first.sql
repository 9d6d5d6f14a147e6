-- The rows of a first snapshot, as the versions that they begin: one of each key, and none before it.
COPY (
    SELECT {values}, {row_hash}
    FROM (
        SELECT {texts}
        FROM (SELECT {row} AS full_row FROM {bronze} WHERE lsn = {first} AND op = 'R' OFFSET 0) AS row
        WHERE {is_complete}
        OFFSET 0
    ) AS read
    WHERE {is_exact}
) TO STDOUT (FORMAT {form})
