-- The versions that were, and that silver made anew does not have, and five of their keys. With other
-- columns, {is_same} false, a version is there if its values are, at its beginning and at its end, and
-- if nothing is after it where nothing was.
WITH kept AS (
    SELECT {key} AS key, ROW({keys})::text AS row, ROW({values})::text AS said, sys_start, sys_end FROM {kept} AS each
),
silver AS (
    SELECT {key} AS key, ROW({keys})::text AS row, ROW({values})::text AS said, sys_start, sys_end FROM {silver} AS each
),
lost AS (
    SELECT key, row, said, sys_start, sys_end FROM kept WHERE {is_same}
    EXCEPT ALL
    SELECT key, row, said, sys_start, sys_end FROM silver
),
unsaid AS (
    SELECT key
    FROM kept
    WHERE NOT {is_same}
      AND (NOT EXISTS (SELECT FROM silver
                       WHERE silver.row = kept.row AND silver.said = kept.said
                         AND silver.sys_start <= kept.sys_start AND kept.sys_start < silver.sys_end)
           OR NOT EXISTS (SELECT FROM silver
                          WHERE silver.row = kept.row AND silver.said = kept.said
                            AND silver.sys_start < kept.sys_end AND kept.sys_end <= silver.sys_end)
           OR EXISTS (SELECT FROM silver
                      WHERE silver.row = kept.row
                        AND silver.sys_start <= kept.sys_end AND kept.sys_end < silver.sys_end
                        AND NOT EXISTS (SELECT FROM kept AS later
                                        WHERE later.row = kept.row
                                          AND later.sys_start = kept.sys_end)))
),
gone AS (
    SELECT key FROM lost UNION ALL SELECT key FROM unsaid
)
SELECT count(*), (array_agg(DISTINCT key::text))[1:5] FROM gone
