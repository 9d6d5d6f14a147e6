-- In bronze, and in the copy that versions are made of.
UPDATE erased_event
SET full_row = full_row || (SELECT coalesce(jsonb_object_agg(name, NULL), '{{}}') FROM unnest(%(columns)s) AS name WHERE full_row ? name)
WHERE op <> 'T';
UPDATE {bronze} AS its
SET full_row = event.full_row
FROM erased_event AS event
WHERE its.lsn = event.lsn AND its.seq = event.seq AND event.op <> 'T'
