-- The type that each domain stands for in the end.
WITH RECURSIVE domain AS (
    SELECT oid, typbasetype AS base FROM pg_type WHERE typtype = 'd'
    UNION ALL
    SELECT domain.oid, pg_type.typbasetype
    FROM domain
    JOIN pg_type ON pg_type.oid = domain.base AND pg_type.typtype = 'd'
)
SELECT domain.oid, domain.base
FROM domain
JOIN pg_type ON pg_type.oid = domain.base AND pg_type.typtype <> 'd'
