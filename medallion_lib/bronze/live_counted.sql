-- Each row that is there, where no key tells rows apart, and how often, in the order of its last change.
-- Rows are counted as they are written; below zero is a row that bronze never had so.
SELECT full_row::text, sum(CASE op WHEN 'D' THEN -1 ELSE 1 END)
FROM {bronze} AS event
WHERE op <> 'T'
  AND NOT EXISTS (
      SELECT FROM {bronze} AS emptied
      WHERE emptied.op = 'T' AND (emptied.lsn, emptied.seq) > (event.lsn, event.seq)
  )
GROUP BY full_row::text
HAVING sum(CASE op WHEN 'D' THEN -1 ELSE 1 END) <> 0
ORDER BY max(lsn), max(seq)
