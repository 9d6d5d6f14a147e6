-- The months (UTC) of this batch's rows that have no partition yet. Odd dates stay in DEFAULT.
SELECT DISTINCT to_char(month, 'YYYY_MM'), month::text || ' UTC', (month + interval '1 month')::text || ' UTC'
FROM (
    SELECT date_trunc('month', (full_row ->> %(column)s)::timestamptz AT TIME ZONE 'UTC') AS month
    FROM {bronze}
    WHERE lsn > %(after)s AND lsn <= %(upto)s AND op NOT IN ('T', 'D')
) AS needed
WHERE month >= '2000-01-01' AND month < '2100-01-01'
  AND to_regclass(format('silver.%%I', %(table)s || to_char(month, '_YYYY_MM'))) IS NULL
ORDER BY 1
