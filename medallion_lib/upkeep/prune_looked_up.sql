-- What a look-up found stays with the change that began the version: what it was found in may go.
UPDATE {bronze} AS event
SET full_row = full_row || jsonb_build_object('looked up', jsonb_build_object({found}))
FROM {silver} AS version
WHERE event.commit_ts = version.sys_start AND {is_its}
  AND event.commit_ts <= %(before)s AND event.op NOT IN ('D', 'T') AND NOT event.full_row ? 'looked up'
