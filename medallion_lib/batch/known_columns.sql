SELECT place, name, type, plain_type, is_required
FROM bronze_batch.source_column
WHERE source = %s
ORDER BY place
