-- The facts, by name. {counts} are bronze's, silver's and gold's; {newest} and {unmerged} bronze's.
WITH fact AS (
    SELECT to_char(capture.commit_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS captured_until,
           '0/0'::pg_lsn + capture.lsn AS captured_lsn,
           to_char(merged.commit_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS history_is_final_until,
           '0/0'::pg_lsn + merged.lsn AS merged_lsn,
           (0{unmerged})::bigint AS events_not_merged,
           round(extract(epoch FROM clock_timestamp() - greatest(NULL::timestamptz{newest})))::bigint
               AS seconds_since_last_landing,
           round(extract(epoch FROM clock_timestamp() - merged.updated_at))::bigint AS seconds_since_last_merge,
           round(extract(epoch FROM clock_timestamp() - capture.updated_at))::bigint AS seconds_since_capture,
           capture.refused AS merge_refused,
           json_build_object({counts}) AS rows
    FROM (VALUES (1)) AS one
    LEFT JOIN meta.watermark AS capture ON capture.stage = 'capture'
    LEFT JOIN meta.watermark AS merged ON merged.stage = 'merge'
)
SELECT row_to_json(fact) FROM fact
