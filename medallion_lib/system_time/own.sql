-- Tables that version themselves: each, where its versions are, and the table of its closed ones.
SELECT coalesce(array_agg(versioned::oid), '{}'), coalesce(array_agg(meta.versions_of(versioned)), '{}'),
       coalesce(array_agg(history::oid), '{}')
FROM history.tables
