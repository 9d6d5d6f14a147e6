-- The first tracked column that a row of these events lacks, though an earlier row had it, or none
-- ever did, and where.
SELECT expected.name, '0/0'::pg_lsn + min(event.lsn) AS position
FROM (VALUES {expected}) AS expected (name, names)
CROSS JOIN LATERAL (SELECT min(lsn) AS lsn FROM {bronze} WHERE full_row ?| expected.names) AS first
JOIN {bronze} AS event
  ON event.lsn > coalesce(first.lsn, -1) AND event.lsn >= %(since)s AND event.lsn < %(upto)s
 AND event.op NOT IN ('D', 'T') AND NOT event.full_row ?| expected.names
GROUP BY expected.name
ORDER BY position
LIMIT 1
