"""The rewriter changes the clause and no byte beside it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_lib.system_time.clause import LONGEST, parse
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time import SystemTimeError, rewrite

# The reference as it is written, and as it is sent.
REFERENCES = [
    ("t FOR SYSTEM_TIME AS OF '2023-07-01'", "t__as_of('2023-07-01') AS t"),
    ("t for system_time as of '2023-07-01' d", "t__as_of('2023-07-01') d"),
    ("t FOR SYSTEM_TIME AS OF '2023-07-01' AS d", "t__as_of('2023-07-01') AS d"),
    ("t FOR SYSTEM_TIME AS OF '2023-07-01' AS d(a, b)", "t__as_of('2023-07-01') AS d(a, b)"),
    ("t FOR SYSTEM_TIME AS OF '2023-07-01' d (a, b)", "t__as_of('2023-07-01') d (a, b)"),
    ('t FOR SYSTEM_TIME AS OF now() "Then"', 't__as_of(now()) "Then"'),
    ("t FOR SYSTEM_TIME AS OF now()AS d", "t__as_of(now())AS d"),
    ("t FOR TIMESTAMP AS OF '2023-07-01'", "t__as_of('2023-07-01') AS t"),
    ("t FOR TIMESTAMP FROM (a, b) AS d", "t__from_to(a, b) AS d"),
    ("t FOR TIMESTAMP BETWEEN ('2023-07-01', NOW())", "t__between('2023-07-01', NOW()) AS t"),
    ("t FOR TIMESTAMP CONTAINED IN (a, b)", "t__contained_in(a, b) AS t"),
    ("t FOR TIMESTAMP ALL  AS d", "t__all()  AS d"),
    ("t FOR\n  SYSTEM_TIME -- as it was\n  AS /* then */ OF now()", "t__as_of(now()) AS t"),
    ("t FOR SYSTEM_TIME AS OF now() -- then", "t__as_of(now()) AS t -- then"),
    ("silver.t FOR SYSTEM_TIME AS OF now()", "silver.t__as_of(now()) AS t"),
    ("db . silver . t FOR SYSTEM_TIME AS OF now()", "db . silver . t__as_of(now()) AS t"),
    ('"My T" FOR SYSTEM_TIME AS OF now()', '"My T__as_of"(now()) AS "My T"'),
    ('"a""b" FOR SYSTEM_TIME AS OF now()', '"a""b__as_of"(now()) AS "a""b"'),
    ('silver."from" FOR SYSTEM_TIME AS OF now()', 'silver."from__as_of"(now()) AS "from"'),
    ('U&"d\\0061t" FOR SYSTEM_TIME AS OF now()', 'U&"d\\0061t__as_of"(now()) AS U&"d\\0061t"'),
    ("straße FOR SYSTEM_TIME AS OF now()", "straße__as_of(now()) AS straße"),
    ("表 FOR SYSTEM_TIME AS OF now() 別名", "表__as_of(now()) 別名"),
    ("a$b FOR SYSTEM_TIME AS OF now()", "a$b__as_of(now()) AS a$b"),
    ("date FOR SYSTEM_TIME AS OF now() at", "date__as_of(now()) at"),
    ("mapping FOR SYSTEM_TIME AS OF now() label", "mapping__as_of(now()) label"),
]

# The other forms of the clause, with their instants left open, and the function's name.
PERIODS = [
    ("FROM {} TO {}", "from_to"),
    ("from {}\nto {} -- until", "from_to"),
    ("BETWEEN {} AND {}", "between"),
    ("between {} -- from\n and {}", "between"),
    ("BETWEEN ASYMMETRIC {} AND {}", "between"),
    ("between\nsymmetric {} and {}", "symmetric"),
    ("CONTAINED IN ({}, {})", "contained_in"),
    ("contained/* */in( {},{} )", "contained_in"),
]

INSTANTS = [
    "'2023-07-01'",
    "'2023-07-01'::timestamptz",
    "'2023-07-01'::timestamp(3) with time zone",
    "'2023-07-01'::pg_catalog.timestamptz",
    "CAST('2023-07-01' AS timestamptz)",
    "timestamptz '2023-07-01'",
    "timestamp with time zone '2023-07-01 00:00'",
    "timestamp(0) without time zone '2023-07-01'",
    "date '2023-07-01'",
    "TIMESTAMP '2023-07-01' AT TIME ZONE 'UTC'",
    "'2023-07-01'::date::timestamp AT TIME ZONE zone.name",
    "now() AT LOCAL",
    "now() - interval '90 days'",
    "now() - interval '1' day",
    "now() - interval '1-2' YEAR TO MONTH",
    "now() - interval '1' second (3)",
    "now() - interval %(ago)s day",
    "now() - 2 * interval '1 day'",
    "now() - 1_000 * interval '1 s'",
    "now() - %(days)s::double precision * interval '1 day'",
    "now() OPERATOR(pg_catalog.-) interval '1 day'",
    "now() OPERATOR(pg_catalog.-) a OPERATOR(pg_catalog.+) b",
    "now() - interval '90 days' day",
    "now() - interval '1:30'",
    "- ago + now()",
    "date_trunc('month', now()) + '1 day'",
    "pg_catalog.to_timestamp(0)",
    "make_timestamptz(2023, 7, 1, 0, 0, 0)",
    "greatest('2023-07-01', (SELECT max(sys_start) FROM t), NULL)",
    "current_timestamp",
    "CURRENT_TIMESTAMP(3)",
    "localtimestamp - '1 h'::interval",
    "NULL",
    "($1)",
    "$1",
    "$1::timestamptz",
    ":then",
    ":then::timestamptz",
    "?",
    "%s",
    "%(then)s",
    "%(then)s::timestamptz + %(more)s",
    "timestamptz %(then)s",
    "%(a)s::timestamptz + (5 %% 3) * %(b)s",
    "to_timestamp(5 %% 3)",
    "(SELECT max(sys_start) FROM t)",
    "(SELECT at FROM pack WHERE name = 'June' LIMIT 1)",
    "pack.at",
    'pack."at"',
    "(pack).at",
    "packs[1]",
    "packs[a[1]][2].at",
    "(ARRAY['2023-07-01'::timestamptz])[1]",
    "CASE WHEN a THEN now() ELSE CASE b WHEN 1 THEN c END END",
    "E'2023\\'-07-01'",
    "'2023-' -- in two parts\n '07-01'",
    "$$2023-07-01$$",
    "$x$2023-07-01$x$",
    "U&'2023-07-01'",
    "(doc->>'at')::timestamptz",
    "doc->>'at'",
    "now() - interval '1 day' / 2 AT TIME ZONE 'UTC'",
    "a / b AT LOCAL",
    "a / b AT LOCAL AT TIME ZONE c || d COLLATE pg_catalog.\"C\" AT TIME ZONE 'UTC'",
    "a @> b <-> - -c OPERATOR(pg_catalog.-) + d ->> 'e'",
    "a = b",
    "|/ a ^ 2 %% 3",
    "CASE a.end WHEN (SELECT 1 AS end) THEN t.case END::date",
    "doc #>> '{at}' COLLATE \"C\"",
    "'2023-07-01'::timestamp(3) with time zone::date[][3]",
    "(packs)[1:2].at[a[1]]",
    "current_setting('a.b')::pg_catalog.\"timestamptz\"",
    "left('2023-07-01 and so on', 10)",
    "double precision '1' * interval(3) '1 s'",
    "national character varying(3) '2023'",
    "pg_catalog.\"date\" '2023-07-01'",
    "U&'2023!2D07-01' UESCAPE '!'",
    "E'20' -- ' in parts\n '23\\'-07-01'",
    "$q$2023$Q$-07-01$q$",
    "max(at) FILTER (WHERE a) OVER (PARTITION BY b)",
    "mode() WITHIN GROUP (ORDER BY at)",
    "rank() FILTER (WHERE a) OVER w",
    "extract(year FROM now()) * a",
    "substring(a FOR system_time)",
    "ARRAY[[a], [b]]",
    f"{'(' * 500}1{')' * 500}",
]

# What may follow a reference, {}, with an alias of its own or without.
FRAMES = [
    "SELECT * FROM {}",
    "SELECT * FROM {};",
    "SELECT * FROM {} WHERE id = 1",
    "SELECT * FROM {} JOIN s ON true",
    "SELECT * FROM s LEFT JOIN {} USING (id)",
    "SELECT * FROM s, {}, r",
    "SELECT * FROM {} NATURAL FULL JOIN s",
    "SELECT * FROM {} CROSS JOIN LATERAL (SELECT 1) x",
    "SELECT * FROM s CROSS JOIN LATERAL {} ORDER BY 1",
    "SELECT * FROM ({} JOIN s ON s.a = 1)",
    "SELECT * FROM s WHERE id IN (SELECT id FROM {})",
    "SELECT count(*) FROM {} GROUP BY a HAVING true",
    "SELECT * FROM {} ORDER BY a LIMIT 5 OFFSET 2",
    "SELECT * FROM {} FETCH FIRST ROW ONLY",
    "SELECT a FROM {} UNION ALL SELECT a FROM s",
    "SELECT a FROM s EXCEPT SELECT a FROM {} INTERSECT SELECT 1",
    "SELECT sum(a) OVER w FROM {} WINDOW w AS ()",
    "WITH x AS (SELECT * FROM {}) SELECT * FROM x",
    "EXPLAIN (ANALYZE, COSTS off) SELECT * FROM {}",
    "CREATE TABLE x AS SELECT * FROM {} WITH NO DATA",
    "CREATE VIEW x AS SELECT * FROM {}",
    "INSERT INTO s SELECT * FROM {} ON CONFLICT DO NOTHING RETURNING *",
    "MERGE INTO s USING {} ON true WHEN MATCHED THEN DELETE",
    "DELETE FROM s USING {} WHERE true",
    "UPDATE s SET a = 1 FROM {} WHERE true",
    "COPY (SELECT * FROM {}) TO STDOUT",
    "PREPARE p AS SELECT * FROM {}",
    "BEGIN; SELECT 1; SELECT * FROM {}; COMMIT",
    "SELECT * FROM {} -- FOR SYSTEM_TIME AS OF 'x'",
    "SELECT 'FROM t FOR SYSTEM_TIME AS OF', E'\\'', $$'$$ FROM {} /* ' /* \" */ */",
    "SELECT a %% 2, '100%%', %(b)s, '%s' FROM {} WHERE a LIKE '%%x'",
    "SELECT a->'b', c @> d, e ~* 'f', \"FOR SYSTEM_TIME AS OF\", 'a\\' FROM {} WHERE a <-> b < 1",
    "SELECT /*+ SeqScan(t) */ t.a FROM {}",
    "SELECT substring(a FOR system_time), overlay(a PLACING b FROM 1 FOR system_time) FROM {}",
]

# Statements in which the words are no clause, or which have no such words.
UNTOUCHED = [
    "",
    ";",
    "SELECT 1",
    "SELECT system_time FROM t",
    "SELECT * FROM system_time FOR UPDATE",
    "SELECT * FROM t FOR UPDATE OF system_time SKIP LOCKED",
    "SELECT substring(t FOR system_time) FROM t",
    "SELECT substring(upper(t) FROM 2 FOR system_time) FROM t",
    "SELECT 'FOR SYSTEM_TIME AS OF'",
    "SELECT 't FOR SYSTEM_TIME AS OF ''x'''",
    "SELECT E'\\' FROM t FOR SYSTEM_TIME AS OF \\''",
    "SELECT $$FROM t FOR SYSTEM_TIME AS OF now()$$",
    "DO $do$ BEGIN PERFORM $x$ t FOR SYSTEM_TIME AS OF $x$; END $do$",
    'SELECT "t FOR SYSTEM_TIME AS OF x" FROM t',
    'SELECT * FROM t FOR "system_time"',
    "SELECT 1 -- FROM t FOR SYSTEM_TIME AS OF now()",
    "SELECT 1 /* FROM t FOR /* SYSTEM_TIME */ FOR SYSTEM_TIME AS OF now() */",
    "SELECT 'unfinished FOR SYSTEM_TIME AS OF",
    "SELECT substring(a FOR timestamp '2023-07-01') FROM t",
    "SELECT timestamp '2023-07-01', a::timestamp with time zone FROM t",
    "SELECT * FROM t FOR NO KEY UPDATE",
    "CREATE USER MAPPING FOR system_time SERVER s",
    "DROP TRANSFORM IF EXISTS FOR system_time LANGUAGE c",
    "SECURITY LABEL FOR system_time ON TABLE t IS 'x'",
    "ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR system_time WITH d",
    "CREATE POLICY p ON t FOR SELECT USING (true)",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM ('2023-01-01') TO ('2023-02-01')",
    "SELECT a FROM t WHERE b = %(b)s AND c LIKE '%%x' AND d = $1 AND e = :e",
    "INSERT INTO t VALUES (1, 'as of'), ($$as of$$, U&'\\0041')",
    "SELECT x FROM generate_series(1, 10) AS x WHERE x %% 2 = 0",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) TABLE r",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT ARRAY[1, 2][1], (ROW(1, 2)).f1, a.b.c, \"x\"\"y\", 1e-5, 0x1F, 1_000",
    "SELECT * FROM t TABLESAMPLE bernoulli (10) REPEATABLE (1)",
    "REVOKE ADMIN OPTION FOR system_time FROM b",
    "SELECT substring(a FOR system_time FROM 2) FROM t",
    "SELECT '{\"a\": \"t FOR SYSTEM_TIME AS OF :at\"}', $$%s %(x)s :y$$ -- FOR SYSTEM_TIME '",
    "SELECT * FROM t FOR SYSTEM_TIME AS OF (1",
    "SELECT * FROM t FOR SYSTEM_TIME AS OF 'x",
]

# The clause goes where a table is read, however the names and words around it look.
PLACES = [
    ("SELECT * FROM t * FOR SYSTEM_TIME ALL", "SELECT * FROM t__all() AS t"),
    ("SELECT * FROM s.select FOR SYSTEM_TIME ALL", 'SELECT * FROM s.select__all() AS "select"'),
    ("SELECT a AS from, b FROM t FOR SYSTEM_TIME ALL", "SELECT a AS from, b FROM t__all() AS t"),
    ("INSERT INTO substring (SELECT * FROM t FOR SYSTEM_TIME ALL)", "INSERT INTO substring (SELECT * FROM t__all() AS t)"),
    ("SELECT json_array(SELECT a FROM t FOR SYSTEM_TIME ALL FORMAT JSON)", "SELECT json_array(SELECT a FROM t__all() AS t FORMAT JSON)"),
    ("SELECT * FROM a JOIN b ON a IS DISTINCT FROM b, t FOR SYSTEM_TIME ALL", "SELECT * FROM a JOIN b ON a IS DISTINCT FROM b, t__all() AS t"),
    ('SELECT * FROM U&"d!0061t" UESCAPE \'!\' FOR SYSTEM_TIME ALL d', 'SELECT * FROM U&"d!0061t__all" UESCAPE \'!\'() d'),
    ("MERGE INTO s USING t FOR SYSTEM_TIME ALL ON CASE WHEN a THEN b END WHEN MATCHED THEN DELETE", "MERGE INTO s USING t__all() AS t ON CASE WHEN a THEN b END WHEN MATCHED THEN DELETE"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF f() over (a, b)", "SELECT * FROM t__as_of(f()) over (a, b)"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM a::interval day TO day AT LOCAL", "SELECT * FROM t__from_to(a::interval day, day AT LOCAL) AS t"),
    ("CREATE RULE r AS ON DELETE TO u DO (SELECT * FROM a FOR SYSTEM_TIME FROM b TO t; SELECT * FROM t FOR SYSTEM_TIME ALL)", "CREATE RULE r AS ON DELETE TO u DO (SELECT * FROM a__from_to(b, t) AS a; SELECT * FROM t__all() AS t)"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF a %s d", "SELECT * FROM t__as_of(a %s) d"),
    # What WITH names is a table elsewhere: in its own query, after a schema, out of its statement.
    ("WITH t AS (SELECT * FROM t FOR SYSTEM_TIME ALL) TABLE t", "WITH t AS (SELECT * FROM t__all() AS t) TABLE t"),
    ("WITH t AS (SELECT 1) SELECT * FROM s.t FOR SYSTEM_TIME ALL", "WITH t AS (SELECT 1) SELECT * FROM s.t__all() AS t"),
    ("WITH a AS (SELECT * FROM t FOR SYSTEM_TIME ALL), t AS (SELECT 1) TABLE a", "WITH a AS (SELECT * FROM t__all() AS t), t AS (SELECT 1) TABLE a"),
    ("WITH \"T\" AS (SELECT 1) SELECT * FROM t FOR SYSTEM_TIME ALL", "WITH \"T\" AS (SELECT 1) SELECT * FROM t__all() AS t"),
    ("SELECT * FROM (WITH t AS (SELECT 1) TABLE t) x, t FOR SYSTEM_TIME ALL", "SELECT * FROM (WITH t AS (SELECT 1) TABLE t) x, t__all() AS t"),
    ("WITH t AS (SELECT 1) TABLE t; SELECT * FROM t FOR SYSTEM_TIME ALL", "WITH t AS (SELECT 1) TABLE t; SELECT * FROM t__all() AS t"),
    # A name in a statement that makes or alters something else stays what it is.
    *[(f"{other}; SELECT * FROM t FOR SYSTEM_TIME ALL", f"{other}; SELECT * FROM t__all() AS t") for other in (
        "SELECT temp t, a.view t, temp FROM x", "SELECT 1 UNION TABLE t", "CREATE TABLE x AS TABLE t", "CREATE INDEX IF NOT EXISTS t ON x (a)",
        "ALTER TABLE x DROP COLUMN IF EXISTS t", "ALTER TABLE x RENAME a TO t", "COMMENT ON TABLE t IS 'x'", "SELECT 1 AS into, t.a FROM t", "GRANT SELECT ON TABLE t TO u",
        "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC INSERT INTO t VALUES (1); END", "CREATE RULE r AS ON DELETE TO x DO INSERT INTO t VALUES (1)")],
    ("CREATE TABLE t AS SELECT * FROM t FOR SYSTEM_TIME ALL", "CREATE TABLE t AS SELECT * FROM t__all() AS t"),
]  # fmt: skip

# § is a reference. A lock of the query that reads it would mean it, in brackets or in a sub-query too.
LOCKED = [
    "SELECT * FROM § FOR UPDATE",
    "SELECT * FROM § d FOR NO KEY UPDATE",
    "SELECT * FROM § AS d WHERE a FOR SHARE OF d",
    "SELECT * FROM §, s FOR KEY SHARE NOWAIT",
    "SELECT * FROM s JOIN § USING (a) ORDER BY a FOR UPDATE OF s FOR SHARE OF t LIMIT 1",
    "SELECT * FROM (SELECT * FROM §) x FOR UPDATE OF x",
    "SELECT * FROM (SELECT * FROM §) x FOR UPDATE",
    "SELECT * FROM (§ JOIN u ON true) FOR UPDATE",
    "SELECT * FROM (§ JOIN u ON true), v FOR UPDATE OF v, t",
    "(SELECT * FROM §) FOR UPDATE",
    "((SELECT * FROM § d)) ORDER BY 1 FOR UPDATE OF d",
    "INSERT INTO s SELECT * FROM § FOR UPDATE",
    "WITH x AS (SELECT * FROM § FOR UPDATE) TABLE x",
    "DECLARE c CURSOR FOR SELECT * FROM § FOR UPDATE",
    "SELECT * FROM s, LATERAL (SELECT * FROM § LIMIT 1) AS x FOR SHARE SKIP LOCKED",
    "SELECT (SELECT a FROM § FOR UPDATE) FROM s",
    "SELECT * FROM ((SELECT * FROM §)) AS x FOR UPDATE OF x",
    'SELECT * FROM § "D" FOR UPDATE OF s, "D"',
    "WITH x AS (SELECT 1) (SELECT * FROM §) FOR UPDATE",
    "CREATE VIEW v AS (SELECT * FROM §) FOR UPDATE",
    "SELECT * FROM s.t FOR SYSTEM_TIME ALL FOR UPDATE OF t",
]
# These locks mean others.
NOT_LOCKED = [
    "SELECT * FROM §, s FOR UPDATE OF s",
    "SELECT * FROM § d, s AS t FOR UPDATE OF t NOWAIT",
    "SELECT * FROM s WHERE EXISTS (SELECT FROM §) FOR UPDATE",
    "WITH x AS (SELECT * FROM §) SELECT * FROM s FOR UPDATE",
    "WITH RECURSIVE x AS MATERIALIZED (SELECT * FROM §) SELECT * FROM s, x FOR UPDATE OF s",
    "SELECT * FROM §; SELECT * FROM s FOR UPDATE",
    "SELECT * FROM §, (SELECT * FROM s FOR UPDATE) x",
    "SELECT (SELECT a FROM §) FROM s FOR SHARE",
    "CREATE POLICY p ON s FOR UPDATE USING (EXISTS (SELECT FROM §))",
    "SELECT * FROM (SELECT * FROM §) x, s FOR UPDATE OF s",
    "SELECT 1 AS for, a AS update FROM §",
    "SELECT * FROM § update",
    "DECLARE c CURSOR FOR SELECT * FROM § FOR READ ONLY",
    "SELECT * FROM s FOR UPDATE; SELECT * FROM §",
    "(SELECT * FROM §) UNION (SELECT * FROM s FOR UPDATE)",
    "SELECT substring(a FOR share) FROM §",
    "SELECT * FROM s ORDER BY (SELECT a FROM §) FOR UPDATE",
    "WITH x AS (SELECT * FROM §) (SELECT * FROM s) FOR UPDATE",
]

NAMED_BY_WITH = "t is a query here, named by WITH"
WRONG = [
    ("WITH t AS (SELECT 1) SELECT * FROM t FOR SYSTEM_TIME ALL", NAMED_BY_WITH),
    ("WITH T (a) AS MATERIALIZED (SELECT 1), b AS (SELECT * FROM \"t\" FOR SYSTEM_TIME ALL) TABLE b", "is a query here"),
    ("WITH RECURSIVE t AS (SELECT * FROM t FOR SYSTEM_TIME ALL) TABLE t", NAMED_BY_WITH),
    ("WITH RECURSIVE a AS (SELECT * FROM t FOR SYSTEM_TIME ALL), t AS (SELECT 1) TABLE a", NAMED_BY_WITH),
    ("WITH RECURSIVE a AS (SELECT 1) SEARCH DEPTH FIRST BY a, b SET o CYCLE a, b SET c USING p, t AS (SELECT 1) SELECT * FROM t FOR SYSTEM_TIME ALL", NAMED_BY_WITH),
    ("WITH t AS (SELECT 1) SELECT (SELECT max(a) FROM t FOR SYSTEM_TIME ALL)", NAMED_BY_WITH),
    ("WITH t AS (SELECT 1) SELECT 2 UNION SELECT * FROM s, LATERAL (SELECT * FROM (t FOR SYSTEM_TIME ALL JOIN u ON true)) x", NAMED_BY_WITH),
    ("WITH t AS (SELECT 1) INSERT INTO s SELECT * FROM t FOR SYSTEM_TIME ALL", NAMED_BY_WITH),
    ("WITH t AS (SELECT 1) DELETE FROM s USING t FOR SYSTEM_TIME ALL", NAMED_BY_WITH),
    ("WITH t AS (SELECT 1), a AS (WITH t AS (SELECT * FROM t FOR SYSTEM_TIME ALL) TABLE t) TABLE a", NAMED_BY_WITH),
    ("CREATE RECURSIVE VIEW t (a) AS SELECT * FROM t FOR SYSTEM_TIME ALL", NAMED_BY_WITH),
    ("CREATE TEMP TABLE IF NOT EXISTS t (a int); SELECT * FROM t FOR SYSTEM_TIME ALL", "made or altered in this same text"),
    ("SELECT 1 AS a INTO TEMP t; SELECT * FROM T FOR SYSTEM_TIME ALL", "made or altered in this same text"),
    ("ALTER TABLE s RENAME TO t; SELECT * FROM t FOR SYSTEM_TIME ALL", "made or altered in this same text"),
    *[(f"{made}; SELECT * FROM t FOR SYSTEM_TIME ALL", "made or altered in this same text") for made in (
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "CREATE SCHEMA x CREATE VIEW t AS SELECT 1", "CREATE OR REPLACE LOCAL TEMP VIEW t AS SELECT 1", "DROP TABLE IF EXISTS s.t",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS t AS SELECT 1", "WITH a AS (SELECT 1) SELECT * INTO UNLOGGED TABLE t FROM a", "ALTER TABLE ONLY t ADD a int", "ALTER VIEW x RENAME TO t")],
    ("TABLE t FOR SYSTEM_TIME ALL", "    SELECT * FROM t FOR SYSTEM_TIME AS OF"),
    ("SELECT * FROM ONLY s.t FOR SYSTEM_TIME ALL", "    SELECT * FROM s.t FOR SYSTEM_TIME AS OF"),
    ("SELECT * FROM ONLY (t FOR SYSTEM_TIME ALL)", "without TABLE or ONLY"),
    ("UPDATE ONLY t FOR SYSTEM_TIME ALL SET a = 1", "can only be read"),
    ("DELETE FROM ONLY t FOR SYSTEM_TIME ALL", "can only be read"),
    ("MERGE INTO t FOR SYSTEM_TIME ALL USING s ON true WHEN MATCHED THEN DELETE", "can only be read"),
    ("SELECT * FROM t FOR SYSTEM_TIME ALL TABLESAMPLE system (1)", "without TABLESAMPLE"),
    ("SELECT * FROM s JOIN a.t TABLESAMPLE x.system (f(1)) REPEATABLE (2) FOR SYSTEM_TIME ALL", "without TABLESAMPLE"),
    ("SELECT * FROM s TABLESAMPLE system (1), f(1) FOR SYSTEM_TIME ALL", "Put the clause inside"),
    ("SELECT * FROM t FOR SYSTEM_TIME ALL AS d TABLESAMPLE system (1)", "without TABLESAMPLE"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF a TO b", "TO can't follow"),
    ("SELECT * FROM t FOR SYSTEM_TIME ALL WITH ORDINALITY AS d", "ORDINALITY"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF a IS NULL", "IS can't follow"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF a => now()", "=> can't follow"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN a AND b AND c", "AND can't follow"),
    ("SELECT a, t FOR SYSTEM_TIME ALL FROM s", "directly after the name"),
    ("SELECT a IS DISTINCT FROM t FOR SYSTEM_TIME ALL", "directly after the name"),
    ("SELECT xmlforest(t FOR SYSTEM_TIME ALL) FROM s", "directly after the name"),
    ("SELECT extract(year FROM t FOR SYSTEM_TIME ALL) FROM s", "directly after the name"),
    ("SELECT * FROM s JOIN r USING (a, t FOR SYSTEM_TIME ALL)", "directly after the name"),
    ("SELECT * FROM s WHERE a ORDER BY b, t FOR SYSTEM_TIME ALL", "directly after the name"),
    ("SELECT * FROM t d FOR SYSTEM_TIME AS OF now()", "t FOR SYSTEM_TIME AS OF '2023-07-01' AS d"),
    ("SELECT * FROM a.t AS d FOR SYSTEM_TIME AS OF now()", "last: a.t FOR SYSTEM_TIME AS OF"),
    ('SELECT * FROM t "D" FOR SYSTEM_TIME AS OF now()', "'2023-07-01' AS \"D\""),
    ("SELECT * FROM (SELECT 1) FOR SYSTEM_TIME AS OF now()", "Put the clause inside"),
    ("SELECT * FROM (SELECT 1) d FOR SYSTEM_TIME AS OF now()", "Put the clause inside"),
    ("SELECT * FROM (SELECT 1) AS d FOR SYSTEM_TIME AS OF now()", "Put the clause inside"),
    ("SELECT * FROM f(1) FOR SYSTEM_TIME AS OF now()", "Put the clause inside"),
    ("SELECT * FROM t WHERE a = b FOR SYSTEM_TIME AS OF now()", "directly after the name"),
    ("SELECT 1 FOR SYSTEM_TIME AS OF now()", "directly after the name"),
    ("FOR SYSTEM_TIME AS OF now()", "directly after the name"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF", "needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF WHERE a", "needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP now()", "needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM a TO TIMESTAMP date_trunc('day', b)", "needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF now() - ;", "needs an instant"),
    *[(f"SELECT * FROM t FOR SYSTEM_TIME {form}", "needs an instant") for form in (
        "AS OF TRANSACTION 5", "AS OF TRANSACTION '5' AS d", "AS OF TRANSACTION :at", "AS OF scn 5", "FROM TIMESTAMP now() TO now()", "FROM TRANSACTION 1 TO TRANSACTION 2",
        "BETWEEN a AND TRANSACTION 2", "BETWEEN SYMMETRIC DATE a AND b", "CONTAINED IN (TIMESTAMP now(), b)")],
    ("SELECT * FROM t FOR SYSTEM_TIME", "must go on with AS OF"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS d", "AS OF … lacks its OF. Write for example FOR SYSTEM_TIME AS OF '"),
    ("SELECT * FROM t FOR SYSTEM_TIME '2023-07-01'", "must go on with AS OF"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM a", "lacks its TO. Write for example FOR SYSTEM_TIME FROM '2023-07-01' TO"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM a AND b", "FROM … TO … lacks its TO"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM a TO", "FROM … TO … needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM TO b", "FROM … TO … needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME FROM a TO WHERE x", "FROM … TO … needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN a TO b", "BETWEEN … AND … lacks its AND"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN a, b", "BETWEEN … AND … lacks its AND"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN a AND", "BETWEEN … AND … needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN SYMMETRIC a", "BETWEEN SYMMETRIC … AND … lacks its AND. Write for example FOR SYSTEM_TIME BETWEEN SYMMETRIC '2023-07-01' AND"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN ASYMMETRIC AND b", "BETWEEN ASYMMETRIC … AND … needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME BETWEEN SYMMETRIC ASYMMETRIC a AND b", "needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME CONTAINED (a, b)", "CONTAINED IN (…, …) lacks its IN"),
    ("SELECT * FROM t FOR SYSTEM_TIME CONTAINED IN a, b", "CONTAINED IN (…, …) lacks its ("),
    ("SELECT * FROM t FOR SYSTEM_TIME CONTAINED IN (a)", "CONTAINED IN (…, …) lacks its ,"),
    ("SELECT * FROM t FOR SYSTEM_TIME CONTAINED IN (a, b", "CONTAINED IN (…, …) lacks its )"),
    ("SELECT * FROM t FOR SYSTEM_TIME CONTAINED IN (, b)", "CONTAINED IN (…, …) needs an instant"),
    ("SELECT * FROM t FOR SYSTEM_TIME CONTAINED IN (a, b, c)", "CONTAINED IN (…, …) lacks its )"),
    ("SELECT * FROM t d FOR SYSTEM_TIME ALL", "The alias comes last"),
    ("DELETE FROM t FOR SYSTEM_TIME ALL", "can only be read"),
    ("SELECT * FROM (SELECT 1) FOR SYSTEM_TIME BETWEEN a AND b", "Put the clause inside"),
    (f"SELECT * FROM {'t' * 51} FOR SYSTEM_TIME CONTAINED IN (a, b)", "63 bytes"),
    ("INSERT INTO t FOR SYSTEM_TIME AS OF now() VALUES (1)", "can only be read"),
    ("UPDATE t FOR SYSTEM_TIME AS OF now() SET a = 1", "can only be read"),
    ("DELETE FROM t FOR SYSTEM_TIME AS OF now()", "can only be read"),
    (f"SELECT * FROM {'t' * 57} FOR SYSTEM_TIME AS OF now()", "63 bytes"),
    (f'SELECT * FROM "{"é" * 29}" FOR SYSTEM_TIME AS OF now()', "63 bytes"),
]


@pytest.mark.parametrize(("written", "sent"), REFERENCES)
def test_a_reference_becomes_a_call_with_its_alias(written: str, sent: str) -> None:
    assert rewrite(f"SELECT * FROM {written}") == f"SELECT * FROM {sent}"
    assert rewrite(f"SELECT * FROM s, {written}\nWHERE x") == f"SELECT * FROM s, {sent}\nWHERE x"


@pytest.mark.parametrize(("written", "sent"), PLACES)
def test_the_clause_goes_wherever_a_table_is_read(written: str, sent: str) -> None:
    assert rewrite(written) == sent


@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize(
    "alias", ["", " d", " AS d", ' "D"', " date", " between", "\n/* c */ d(a, b)"]
)
def test_the_instant_ends_where_it_ends(instant: str, alias: str) -> None:
    written = f"SELECT * FROM t FOR SYSTEM_TIME AS OF {instant}{alias} WHERE x"
    assert rewrite(written) == f"SELECT * FROM t__as_of({instant}){alias or ' AS t'} WHERE x"


@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize(("clause", "name"), PERIODS)
def test_both_instants_of_a_period_end_where_they_end(
    instant: str, clause: str, name: str
) -> None:
    for pair in ((instant, "now()"), ("now()", instant), (instant, instant)):
        for alias in ("", " d", " AS d(a, b)", " date", " between"):
            written = f"SELECT * FROM s.t FOR SYSTEM_TIME {clause.format(*pair)}\n{alias} WHERE x"
            comment = " -- until" if "-- until" in clause else ""
            sent = f"s.t__{name}({', '.join(pair)}){'' if alias else ' AS t'}{comment}\n{alias}"
            assert rewrite(written) == f"SELECT * FROM {sent} WHERE x"


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("alias", ["", " d", " AS d(a, b)", ' "All"'])
def test_all_versions(frame: str, alias: str) -> None:
    written, sent = f"t FOR SYSTEM_TIME ALL{alias}", f"t__all(){alias or ' AS t'}"
    assert rewrite(frame.replace("{}", written)) == frame.replace("{}", sent)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("written", "sent"), REFERENCES[:3])
def test_what_surrounds_the_reference_stays(frame: str, written: str, sent: str) -> None:
    assert rewrite(frame.replace("{}", written)) == frame.replace("{}", sent)


@pytest.mark.parametrize("sql", [*UNTOUCHED, *FRAMES[:-6]])
def test_a_statement_without_the_clause_is_the_same_object(sql: str) -> None:
    assert rewrite(sql) is sql


@pytest.mark.parametrize(("sql", "advice"), WRONG)
def test_a_clause_that_cannot_be_says_what_to_write_instead(sql: str, advice: str) -> None:
    with pytest.raises(SystemTimeError) as error:
        rewrite(sql)
    assert advice in str(error.value)


@pytest.mark.parametrize("sql", LOCKED)
def test_a_lock_of_what_has_been_is_refused(sql: str) -> None:
    with pytest.raises(SystemTimeError, match="would lock no row of t FOR SYSTEM_TIME"):
        rewrite(sql.replace("§", "t FOR SYSTEM_TIME AS OF now()"))


@pytest.mark.parametrize("sql", NOT_LOCKED)
def test_a_lock_of_other_tables_is_not(sql: str) -> None:
    written, sent = "t FOR SYSTEM_TIME AS OF now()", "t__as_of(now())"
    alias = "" if "§ d" in sql or "§ update" in sql else " AS t"
    assert rewrite(sql.replace("§", written)) == sql.replace("§", sent + alias)


def test_a_name_of_the_greatest_length_is_taken() -> None:
    name = "t" * 56
    assert f"{name}__as_of(now())" in rewrite(f"SELECT * FROM {name} FOR SYSTEM_TIME AS OF now()")


@pytest.mark.parametrize("sent", ["transaction", "date", "timestamp d", "transaction AS d", "date, s", "timestamp d (a, b)"])
def test_such_a_word_alone_is_a_column(sent: str) -> None:
    word, after = re.fullmatch(r"(\w+)(.*)", sent).groups()
    alias = after if after[:1] == " " else f" AS t{after}"
    assert rewrite(f"SELECT * FROM u, t FOR SYSTEM_TIME AS OF {sent}") == f"SELECT * FROM u, t__as_of({word}){alias}"


def test_an_instant_may_itself_look_back() -> None:
    inner = "(SELECT max(at) FROM pack FOR SYSTEM_TIME AS OF '2023-01-01')"
    assert rewrite(f"SELECT 1 FROM t FOR SYSTEM_TIME AS OF {inner} d") == (
        "SELECT 1 FROM t__as_of((SELECT max(at) FROM pack__as_of('2023-01-01') AS pack)) d"
    )


def test_one_table_at_two_instants() -> None:
    assert rewrite(
        "SELECT * FROM t FOR SYSTEM_TIME AS OF :a AS then\n"
        "FULL JOIN t FOR SYSTEM_TIME AS OF :b AS since USING (id)"
    ) == "SELECT * FROM t__as_of(:a) AS then\nFULL JOIN t__as_of(:b) AS since USING (id)"


def test_the_promise_of_the_book() -> None:
    assert rewrite(
        "SELECT * FROM dim_customer_hist\n"
        "FOR SYSTEM_TIME AS OF '2023-07-01'::timestamptz\n"
        "WHERE customer_id = 42;"
    ) == (
        "SELECT * FROM dim_customer_hist__as_of('2023-07-01'::timestamptz) AS dim_customer_hist\n"
        "WHERE customer_id = 42;"
    )


SPACES = st.sampled_from([" ", "\n", "\t ", " /* FOR SYSTEM_TIME */ ", " -- ' t FOR\n"])
ALIASES = st.sampled_from(["", " d", " AS d", ' "Ü d"', " AS d(a, b)", " type", " at", " zone"])
NAMES = st.sampled_from(["t", "silver.t", '"T x"', 's."a""b"', "öl", "date", "a$1"])
NOISE = st.text(alphabet="ab'\"$%;:()-/*\\é\n ", max_size=12)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


@st.composite
def references(draw: st.DrawFn) -> tuple[str, str]:
    """A reference as written and as sent."""
    name, form, alias = draw(NAMES), draw(st.sampled_from(FORMS)), draw(ALIASES)
    instants = [draw(st.sampled_from(INSTANTS)) for _ in range(form.count)]
    words = re.findall(r"\{\}|\w+|\S", form.clause)
    left = iter(instants)
    clause = "".join(
        draw(SPACES) + (next(left) if word == "{}" else word)
        for word in ("FOR", "SYSTEM_TIME", *words)
    )
    last = name.rpartition(".")[2]
    called = name[:-1] + form.suffix + '"' if name.endswith('"') else name + form.suffix
    sent = f"{called}({', '.join(instants)}){alias or f' AS {last}'}"
    return f"{name}{clause}{alias}", sent


@given(st.lists(st.tuples(st.sampled_from(FRAMES), references(), NOISE), min_size=1, max_size=4))
def test_statements_built_from_parts(parts: list[tuple[str, tuple[str, str], str]]) -> None:
    written = ";\n".join(
        f"{frame.replace('{}', reference)}\n; SELECT {_literal(noise)}"
        for frame, (reference, _), noise in parts
    )
    sent = ";\n".join(
        f"{frame.replace('{}', call)}\n; SELECT {_literal(noise)}"
        for frame, (_, call), noise in parts
    )
    assert rewrite(written) == sent


@given(st.text())
def test_any_text_without_the_words_is_the_same_object(text: str) -> None:
    assert rewrite(text) is text


def test_a_text_that_is_sent_again_is_read_once_unless_it_is_long() -> None:
    """And nobody changes what stays read."""
    text = "SELECT * FROM t FOR SYSTEM_TIME AS OF %(at)s"
    sent = rewrite(text)
    assert parse(text) is parse(text) and rewrite(text) == sent == "SELECT * FROM t__as_of(%(at)s) AS t"
    long = f"{text} -- {'long ' * LONGEST}"
    assert parse(long) is not parse(long) and parse(long) == parse(long)
