-- The last file of a table, and whether this one was loaded already.
SELECT max(br_batch_id),
       bool_or(br_batch_id = %(batch)s AND sha256 = %(sha256)s) AS is_loaded
FROM bronze_batch.file
WHERE source = %(source)s
