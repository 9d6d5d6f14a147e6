-- Bronze's changes and silver's versions, and the bytes of tables and indexes.
WITH layer AS (
    SELECT relnamespace::regnamespace::text AS name,
           sum(pg_total_relation_size(oid))::bigint AS bytes
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('bronze', 'silver')
    GROUP BY 1
),
counted AS (
    SELECT 'bronze' AS name, count(*) AS rows, NULL::bigint AS current
    FROM (SELECT lsn FROM bronze.br_customer_cdc UNION ALL SELECT lsn FROM bronze.br_film_cdc
          UNION ALL SELECT lsn FROM bronze.br_inventory_cdc
          UNION ALL SELECT lsn FROM bronze.br_rental_cdc
          UNION ALL SELECT lsn FROM bronze.br_payment_cdc) AS change
    UNION ALL
    SELECT 'silver', count(*), count(*) FILTER (WHERE sys_end = 'infinity')
    FROM (SELECT sys_end FROM silver.dim_customer_hist
          UNION ALL SELECT sys_end FROM silver.dim_film_hist
          UNION ALL SELECT sys_end FROM silver.fact_rental
          UNION ALL SELECT sys_end FROM silver.fact_payment) AS version
)
SELECT rows, bytes, current
FROM counted
JOIN layer USING (name)
ORDER BY name
