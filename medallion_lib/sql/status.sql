-- One row of facts about the warehouse; {newest} and {unmerged} cover all bronze tables.
SELECT capture.lsn AS captured_lsn,
       capture.commit_ts AS captured_until,
       merged.lsn AS merged_lsn,
       merged.commit_ts AS final_until,
       capture.slot,
       ({newest}) AS landed_at,
       ({unmerged}) AS events_not_merged
FROM (VALUES (1)) AS one
LEFT JOIN meta.watermark AS capture ON capture.stage = 'capture'
LEFT JOIN meta.watermark AS merged ON merged.stage = 'merge'
