-- The last change of a table before a position, and what it says: by that, bronze is known again.
SELECT lsn, seq, md5(concat_ws(' ', op, extract(epoch FROM commit_ts), full_row - 'looked up'))
FROM {bronze}
WHERE lsn < %(upto)s
ORDER BY lsn DESC, seq DESC
LIMIT 1
