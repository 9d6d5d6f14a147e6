-- Since when a replayed source is as it is, and, while the replay can go on, until when.
SELECT played, CASE WHEN live_since IS NULL AND reached < %s THEN reached END
FROM replay.clock
