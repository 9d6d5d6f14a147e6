    UNION ALL
    -- Within a transaction, the last change counts. Of a row with look-ups each version's beginning
    -- stays, for a look-up goes by the first change that named both.
    (SELECT DISTINCT ON ({keys}, version.sys_start) event.lsn, event.seq
     FROM {bronze} AS event
     JOIN {silver} AS version ON event.commit_ts = version.sys_start AND {is_its}
     WHERE event.commit_ts <= %(before)s AND event.op NOT IN ('D', 'T')
       AND (version.sys_end > %(before)s OR {has_lookups} AND EXISTS (
           SELECT FROM {silver} AS later
           WHERE {same} AND later.sys_start <= %(before)s AND later.sys_end > %(before)s))
     ORDER BY {keys}, version.sys_start, event.lsn DESC, event.seq DESC)
