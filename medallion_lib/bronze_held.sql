-- The source that a warehouse was captured from, and how many changes bronze has of it, since when.
SELECT source_system, source_name, held.rows, held.since
FROM (SELECT sum(rows)::bigint AS rows, min(since) AS since FROM ({counts}) AS part (rows, since)) AS held
LEFT JOIN meta.watermark ON stage = 'capture'
