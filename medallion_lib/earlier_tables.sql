-- The tables that a warehouse of an earlier version keeps with its watermark: those of capture's row,
-- and of merge's, where there is one, for silver. One before that keeps none.
SELECT coalesce((SELECT kept -> 'captured' FROM (
           SELECT to_jsonb(watermark) -> 'tables' AS kept FROM meta.watermark WHERE stage = 'capture'
       ) AS capture), '[]'),
       coalesce((SELECT kept -> 'versioned' FROM (
           SELECT to_jsonb(watermark) -> 'tables' AS kept, stage FROM meta.watermark
       ) AS every WHERE kept ? 'versioned' ORDER BY stage DESC LIMIT 1), '[]')
