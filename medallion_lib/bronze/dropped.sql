-- Drop a table's changes from one position on, and before another where that is given.
DELETE FROM {bronze} WHERE lsn >= %(begun)s AND (lsn < %(end)s) IS NOT FALSE
