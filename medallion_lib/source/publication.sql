-- Each publication: what tells it from one made or altered later, whose its comment says it is, whether
-- it sends every change of each captured table, whole, and of no other, and which others it sends.
-- Partitions are published under their own names: under their root's, a TRUNCATE of one is not sent.
-- As JSON, a row has no column that its version of PostgreSQL lacks: 15 brought those of publications in
-- part, 18 those of generated columns. The schemas, 15's too, are found by what depends on them.
-- Tables that were added or removed later are told by what their membership is, each by its own. By that of
-- the others, as last known, a table that was dropped is told from one that was left out.
WITH wanted AS (
    SELECT captured.number, pg_class.oid AS relation, captured.published, captured.is_captured,
           captured.published IS NOT NULL OR captured.is_pending AS is_by_itself,
           format('member of %%I.%%I', schema, name) AS key,
           %(names)s::json ->> format('member of %%I.%%I', schema, name) AS known
    FROM ROWS FROM (json_to_recordset(%(captured)s)
                        AS (schema text, name text, published text, is_captured boolean, is_pending boolean))
             WITH ORDINALITY AS captured (schema, name, published, is_captured, is_pending, number)
    LEFT JOIN pg_namespace ON nspname = schema
    LEFT JOIN pg_class ON relname = name AND relnamespace = pg_namespace.oid
)
SELECT pubname AS name,
       md5(format('%%s %%s %%s', publication.oid, publication.xmin, told.version)) AS version,
       obj_description(publication.oid, 'pg_publication') AS mark,
       pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT puballtables
           AND NOT pubviaroot AND coalesce(to_jsonb(publication) ->> 'pubgencols', 's') = 's' AND are_whole
           AND schemas IS NULL
           AND relations = ARRAY(SELECT relation FROM wanted WHERE is_captured ORDER BY relation) AS is_fit,
       concat_ws(', ', others, 'all tables of ' || schemas) AS others,
       pubowner = current_user::regrole AS is_owned,
       each.members,
       each.is_as_told,
       each.known,
       each.gone
FROM pg_publication AS publication
CROSS JOIN LATERAL (
    SELECT array_agg(version) FILTER (WHERE is_by_itself IS NOT TRUE) AS versions,
           array_agg(prrelid ORDER BY prrelid) AS relations,
           bool_and(coalesce(to_jsonb(member) ->> 'prqual', to_jsonb(member) ->> 'prattrs') IS NULL) AS are_whole,
           string_agg(prrelid::regclass::text, ', ' ORDER BY prrelid::regclass::text)
               FILTER (WHERE wanted.relation IS NULL) AS others
    FROM pg_publication_rel AS member
    LEFT JOIN wanted ON wanted.relation = prrelid
    CROSS JOIN LATERAL format('%%s %%s', member.oid, member.xmin) AS version
    WHERE prpubid = publication.oid
) AS members
-- Of a table that was dropped, the membership is what it was.
CROSS JOIN LATERAL (
    SELECT string_agg(version, ',' ORDER BY version) AS version
    FROM (
        SELECT unnest(versions)
        UNION
        SELECT known FROM wanted WHERE relation IS NULL AND known IS NOT NULL AND is_by_itself IS NOT TRUE
    ) AS each (version)
) AS told
CROSS JOIN LATERAL (
    SELECT array_agg(version ORDER BY number) AS members,
           coalesce(bool_and(version IS NOT DISTINCT FROM published)
                        FILTER (WHERE is_captured AND published IS NOT NULL AND relation IS NOT NULL), true)
               AS is_as_told,
           coalesce(json_object_agg(key, version) FILTER (WHERE version IS NOT NULL), '{}') AS known,
           json_agg(json_build_array(number, coalesce(published, known)) ORDER BY number) FILTER (
               WHERE is_captured AND relation IS NULL AND coalesce(published, known) IS NOT NULL) AS gone
    FROM wanted
    LEFT JOIN pg_publication_rel AS member ON prpubid = publication.oid AND prrelid = relation
    LEFT JOIN LATERAL format('%%s %%s', member.oid, member.xmin) AS version ON member.oid IS NOT NULL
) AS each
CROSS JOIN LATERAL (
    SELECT string_agg(schema.refobjid::regnamespace::text, ', ' ORDER BY schema.refobjid) AS schemas
    FROM pg_depend AS member
    JOIN pg_depend AS schema USING (classid, objid)
    WHERE member.classid = to_regclass('pg_publication_namespace')
      AND member.refclassid = 'pg_publication'::regclass AND member.refobjid = publication.oid
      AND schema.refclassid = 'pg_namespace'::regclass
) AS whole
