-- What a merge reads where silver stands already: new, the changes since then, and known, the
-- rows that were current. A version that is over never changes, so none of those is read.

-- The keys of which something is said. TRUNCATE says something of every key there is.
CREATE VIEW "this merge".touched AS
SELECT {changed_keys} FROM "this merge".new WHERE op <> 'T'
UNION
SELECT {known_keys} FROM "this merge".new AS new CROSS JOIN "this merge".known AS known WHERE new.op = 'T';

-- Their history goes on from what they were, as if that had been said first.
CREATE VIEW "this merge".changes AS
SELECT lsn, seq, op, commit_ts, full_row FROM "this merge".new
UNION ALL
SELECT 0::bigint, 0::integer, 'R', known.sys_start, jsonb_build_object({members})
FROM "this merge".known AS known
JOIN "this merge".touched AS touched ON {is_touched};

CREATE VIEW "this merge".untouched AS
SELECT known.*
FROM "this merge".known AS known
WHERE NOT EXISTS (SELECT 1 FROM "this merge".touched AS touched WHERE {is_touched});
