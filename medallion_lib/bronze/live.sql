-- Each row that is there, in the order of its last change.
SELECT full_row::text
FROM (
    SELECT DISTINCT ON ({key}) op, full_row, lsn, seq
    FROM {bronze}
    WHERE op <> 'T'
    ORDER BY {key}, lsn DESC, seq DESC
) AS last
WHERE op <> 'D'
  AND NOT EXISTS (
      SELECT FROM {bronze} AS emptied
      WHERE emptied.op = 'T' AND (emptied.lsn, emptied.seq) > (last.lsn, last.seq)
  )
ORDER BY lsn, seq
