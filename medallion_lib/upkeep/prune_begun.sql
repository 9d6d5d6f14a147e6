    UNION ALL
    -- Within a transaction, the last change counts.
    (SELECT DISTINCT ON ({keys}, version.sys_start) event.lsn, event.seq
     FROM {bronze} AS event
     JOIN {silver} AS version ON event.commit_ts = version.sys_start AND {is_its}
     WHERE event.commit_ts <= %(before)s AND event.op NOT IN ('D', 'T') AND version.sys_end > %(before)s
     ORDER BY {keys}, version.sys_start, event.lsn DESC, event.seq DESC)
