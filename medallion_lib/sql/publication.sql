-- What tells the publication from one made or altered later; null unless it sends every change of
-- each captured table, whole, and of no other. Partitions are published under their own names: under
-- their root's, a TRUNCATE of one of them is not sent.
WITH publication AS (
    SELECT oid, xmin::text AS version,
           pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT puballtables
               AND NOT pubviaroot AND pubgencols = 's' AS is_fit
    FROM pg_publication
    WHERE pubname = %(publication)s
),
member AS (
    SELECT member.prrelid AS relation, format('%%s %%s', member.oid, member.xmin) AS version,
           member.prqual IS NULL AND member.prattrs IS NULL AS is_whole
    FROM pg_publication_rel AS member
    JOIN publication ON publication.oid = member.prpubid
),
wanted AS (
    SELECT pg_class.oid AS relation
    FROM json_to_recordset(%(captured)s) AS captured (schema text, name text)
    LEFT JOIN pg_namespace ON nspname = schema
    LEFT JOIN pg_class ON relname = name AND relnamespace = pg_namespace.oid
)
SELECT md5(format('%%s %%s %%s', publication.oid, publication.version, members.version))
FROM publication
CROSS JOIN (
    SELECT string_agg(version, ',' ORDER BY version) AS version,
           array_agg(relation ORDER BY relation) AS relations,
           bool_and(is_whole) AS are_whole
    FROM member
) AS members
WHERE is_fit AND are_whole
  AND relations = ARRAY(SELECT relation FROM wanted ORDER BY relation)
