-- What is in gold, in the order in which it was made: whether it is a view, and what tells its query
-- from another.
SELECT relname, relkind = 'v', md5(ev_action::text)
FROM pg_class
LEFT JOIN pg_rewrite ON ev_class = pg_class.oid AND ev_type = '1'
WHERE relnamespace = 'gold'::regnamespace AND relkind IN ('v', 'm', 'r', 'p', 'f')
ORDER BY pg_class.oid
