-- Gold's views, then silver's, then its tables: what others have made of them stands in the way.
DO $$
DECLARE
    relation record;
BEGIN
    FOR relation IN
        SELECT pg_class.oid::regclass AS name,
               CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname IN ({schemas})
          AND relkind IN ('v', 'r', 'p') AND NOT relispartition
        -- A view is younger than what it reads.
        ORDER BY relkind = 'v' DESC, pg_class.oid DESC
    LOOP
        EXECUTE format('DROP %s %s', relation.kind, relation.name);
    END LOOP;
END $$
