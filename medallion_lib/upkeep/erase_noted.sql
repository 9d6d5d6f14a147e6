-- A key that the source has not any more is not noted.
INSERT INTO meta.erasure (bronze, columns, events, versions, salt, key_hash)
SELECT {of}, %(columns)s, events, %(versions)s, salt, CASE WHEN is_there THEN meta.key_hash(salt, key) END
FROM (
    SELECT DISTINCT ON (key) key, count(*) OVER (PARTITION BY key) AS events, gen_random_uuid() AS salt,
           op <> 'D' AND NOT EXISTS (
               SELECT FROM erased_event AS emptied
               WHERE emptied.op = 'T' AND (emptied.lsn, emptied.seq) > (event.lsn, event.seq)) AS is_there
    FROM erased_event AS event
    WHERE op <> 'T'
    ORDER BY key, lsn DESC, seq DESC
) AS row
