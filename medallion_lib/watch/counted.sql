-- The rows of a table that nobody has analysed, as far as they are counted.
SELECT count(*) FROM (SELECT FROM {table} LIMIT {limit}) AS first
