-- The type that each domain among these types stands for in the end.
WITH RECURSIVE domain AS (
    SELECT oid, typbasetype AS base
    FROM pg_type
    WHERE typtype = 'd' AND oid = ANY (%(types)s::oid[])
    UNION ALL
    SELECT domain.oid, pg_type.typbasetype
    FROM domain
    JOIN pg_type ON pg_type.oid = domain.base AND pg_type.typtype = 'd'
)
SELECT domain.oid::bigint, domain.base::bigint
FROM domain
JOIN pg_type ON pg_type.oid = domain.base AND pg_type.typtype <> 'd'
