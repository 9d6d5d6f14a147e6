-- The numbers of a table's columns that were dropped.
SELECT attnum FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND attisdropped
