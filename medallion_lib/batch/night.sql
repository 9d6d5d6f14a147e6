-- Since when a replayed source is as it is, and, while the replay can go on, until when: null at a
-- source built by an earlier version, whose clock does not say.
SELECT played, CASE WHEN live_since IS NULL AND replayed.reached < %s THEN replayed.reached END
FROM replay.clock
CROSS JOIN LATERAL (SELECT (to_jsonb(clock) ->> 'reached')::timestamptz) AS replayed (reached)
