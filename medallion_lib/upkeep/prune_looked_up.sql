-- What look-ups found stays with the changes that began the versions since, of rows that were there
-- before: the changes that it was found by, or in, may go.
UPDATE {bronze} AS event
SET full_row = full_row || jsonb_build_object('looked up', jsonb_build_object({found}))
FROM {silver} AS version
WHERE event.commit_ts = version.sys_start AND {is_its}
  AND version.sys_end > %(before)s AND event.op NOT IN ('D', 'T') AND NOT event.full_row ? 'looked up'
  AND EXISTS (SELECT FROM {silver} AS earlier WHERE {same} AND earlier.sys_start <= %(before)s)
