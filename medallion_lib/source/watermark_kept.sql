-- The tables that the warehouse keeps, captured or versioned, as they were declared: merge's before
-- capture's, which are older. A warehouse of an earlier version has no such column.
SELECT declared
FROM meta.watermark
CROSS JOIN LATERAL jsonb_array_elements(to_jsonb(watermark) -> 'tables' -> %(kind)s) AS declared
ORDER BY stage DESC
