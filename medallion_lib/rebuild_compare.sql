-- Rows are compared as PostgreSQL prints them: json has no equality, and 1.0 equals 1.00.
SELECT (SELECT count(*) FROM {silver}),
       (SELECT count(*) FROM (
           SELECT ROW({columns})::text FROM {kept}
           EXCEPT ALL SELECT ROW({columns})::text FROM {silver}) AS lost),
       (SELECT count(*) FROM (
           SELECT ROW({columns})::text FROM {silver}
           EXCEPT ALL SELECT ROW({columns})::text FROM {kept}) AS gained)
