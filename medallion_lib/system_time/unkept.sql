SELECT CASE WHEN pg_class.oid IS NULL THEN format('%s: its table was dropped, and these versions are left', history)
            ELSE format('%s: %s', versioned, meta.idle_trigger(versioned)) END
FROM history.tables
LEFT JOIN pg_class ON pg_class.oid = versioned
WHERE pg_class.oid IS NULL OR is_kept AND meta.idle_trigger(versioned) IS NOT NULL
ORDER BY 1
