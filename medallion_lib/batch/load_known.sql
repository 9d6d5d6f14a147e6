-- The last file of a table, whether this one was loaded already, and whether it is of the future.
SELECT max(br_batch_id),
       bool_or(br_batch_id = %(batch)s AND sha256 = %(sha256)s) AS is_loaded,
       %(instant)s > clock_timestamp() AS is_to_come
FROM bronze_batch.file
WHERE source = %(source)s
