-- From where silver_batch is up to the last extract of which every table's file is there.
SELECT coalesce(max(br_batch_id) FILTER (WHERE is_merged), 0) + 1 AS since,
       coalesce(max(br_batch_id) FILTER (WHERE is_whole), 0) + 1 AS upto
FROM (
    SELECT br_batch_id, bool_or(is_merged) AS is_merged, count(*) = %s AS is_whole
    FROM bronze_batch.file
    GROUP BY br_batch_id
) AS extract
