-- Each key with more than one current row, or with versions that overlap.
SELECT ARRAY[{key}], 'it has ' || count(*) || ' current rows'
FROM {silver}
WHERE sys_end = 'infinity'
GROUP BY {keys}
HAVING count(*) > 1
UNION ALL
SELECT row_key, 'a version begins at ' || sys_start || ' before the one before it ends at ' || before
FROM (
    SELECT ARRAY[{key}] AS row_key, sys_start, lag(sys_end) OVER (PARTITION BY {keys} ORDER BY sys_start, sys_end) AS before
    FROM {silver}
) AS version
WHERE sys_start < before
ORDER BY 1
