-- When a snapshot of these tables was true: at its time by the source's clock, unless transactions that
-- it has in it are dated later, or a change of these tables after it is dated earlier.
-- {before} are the last changes of each captured table before the snapshot, {since} the first of these
-- tables' own after it.
SELECT least(greatest(%(taken_at)s, (SELECT max(commit_ts) FROM (SELECT NULL::timestamptz AS commit_ts{before}) AS change)),
             (SELECT min(commit_ts) FROM (SELECT NULL::timestamptz AS commit_ts{since}) AS change))
