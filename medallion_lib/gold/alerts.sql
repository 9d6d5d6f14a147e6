-- The rules: views of gold by their name.
SELECT relname
FROM pg_class
WHERE relnamespace = 'gold'::regnamespace AND relkind IN ('v', 'm') AND starts_with(relname, 'alert_')
ORDER BY relname
