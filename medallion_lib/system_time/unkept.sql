SELECT format('%s: %s', versioned, meta.missing_trigger(versioned))
FROM history.tables
WHERE is_kept AND meta.missing_trigger(versioned) IS NOT NULL AND EXISTS (SELECT FROM pg_class WHERE oid = versioned)
ORDER BY 1
