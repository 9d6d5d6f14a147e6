"""Random statements with FOR SYSTEM_TIME in every place, each beside what has to be sent for it.

Whoever builds a statement knows where its instants end, what its aliases are and which names WITH
has taken; the rewriter has to find that in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from medallion_lib.system_time.forms import FORMS


class Piece(NamedTuple):
    """A piece of a statement as it is written and as it is sent; or why it has to be refused."""

    written: str
    sent: str
    refusals: frozenset[str] = frozenset()


Names = frozenset[str]  # of the queries that WITH names


def filled(template: str, *pieces: Piece | str) -> Piece:
    """The template with the pieces in the places of its §."""
    parts = [piece if isinstance(piece, Piece) else Piece(piece, piece) for piece in pieces]
    written, sent = template.split("§"), template.split("§")
    assert len(written) == len(parts) + 1, template
    return Piece(
        written[0] + "".join(p.written + rest for p, rest in zip(parts, written[1:], strict=True)),
        sent[0] + "".join(p.sent + rest for p, rest in zip(parts, sent[1:], strict=True)),
        frozenset().union(*(p.refusals for p in parts)),
    )


LITERALS = [
    "'2023-07-01'", "'it''s'", "E'a\\'b'", "E'\\\\'", "'a' -- ' in parts\n  'b'", "$$2023$$", "$x$ ' $$ $x$",
    "$Q$ $q$ $Q$", "U&'d\\0061t'", "U&'d!0061t' UESCAPE '!'", "B'101'", "x'1F'", "N'n'", "''", "'FOR SYSTEM_TIME'",
    "'('", "$$)$$", "E'\\n' \n 'b\\'c'", "'/*'", "'--'",
    "1", "1.5", ".5", "5.", "1e10", "1.5e-3", "0x1F", "0b1", "1_000",
    "NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP(3)", "current_date", "LOCALTIME(0)",
    "localtimestamp", "CURRENT_TIME", "current_user", "SESSION_USER", "user", "current_schema", "CURRENT_CATALOG",
    "$1", "$12", "%(then)s", "%s", ":then",
]  # fmt: skip
COLUMNS = [
    "a", "at", "a.b", "t.a", '"a b"', '"A""b".c', 't."at"', "day", "second", "zone", "time", "timestamp", "interval",
    "date", "year", "double", "precision", "operator", "local", "system_time", "between", "contained", "of", "over",
    "filter", "within", "straße", "表", "a$1", "values", "row_", "s.t.a", "t.order", "a.end", "a.case", "U&\"d\\0061t\"",
    "character", "bit", "national", "uescape", "collation_", "nullif_", "_x", "é", "t.from", "array_", "position",
]  # fmt: skip
TYPED = [
    "date '2023-07-01'", "timestamptz '2023-07-01'", "timestamptz(3) '2023-07-01'", "TIMESTAMP '2023-07-01'",
    "timestamp with time zone '2023-07-01'", "timestamp(3) without time zone '2023-07-01'",
    "time with time zone '12:00'", "interval '1'", "interval '1' day", "interval '1' DAY TO SECOND",
    "interval '1' day to second(3)", "interval '1' second (2)", "interval(3) '1 s'", "interval '1-2' year to month",
    "double precision '1'", "character varying(3) 'x'", "bit varying '1'", "national character varying 'x'",
    "pg_catalog.date '2023-07-01'", '"date" \'2023-07-01\'', "pg_catalog.\"date\" '2023'", "numeric(5, 2) '1'",
    "int8 '5'", "float(3) '1'", "char 'x'", "json '{}'", "date $$2023-07-01$$", "date E'2023'", "f(1) 'x'", "bool 't'",
]  # fmt: skip
TYPES = [
    "date", "timestamptz", "timestamptz(3)", "timestamp", "timestamp with time zone", "timestamp(3) without time zone",
    "time with time zone", "time(2)", "interval", "interval day", "interval day to second(3)", "interval(3)",
    "double precision", "character varying(3)", "char varying", "bit varying(2)", "bit(3)", "national char varying(2)",
    "pg_catalog.timestamptz", 'pg_catalog."date"', '"char"', "numeric(5, 2)", "numeric(5, 2)[]", "int[3][]", "int ARRAY",
    "int array[3]", "a.b.c", "text", "nchar(2)", "dec", "varchar(3)", "float(24)", "json", "setof_x", "timestamp[]",
]  # fmt: skip
OPERATORS = [
    "+", "-", "*", "/", "%", "^", "||", "->", "->>", "#>", "#>>", "@>", "<@", "&&", "&", "|", "#", "~", "<<", ">>",
    "-|-", "<->", "?", "?|", "@?", "@@", "<", ">", "=", "<=", ">=", "<>", "!=", "~*", "!~", "@-@", "|/|", "^@", "*<>",
    "OPERATOR(pg_catalog.+)", 'OPERATOR ( "s"."t".-|- )', "operator(-)", "=|", "%>", "<%", "#-", "&<|",
]  # fmt: skip
COMPARING = ["<", ">", "=", "<=", ">=", "<>", "!="]
PREFIXES = ["-", "+", "- -", "@", "|/", "~", "!!", "@-", "OPERATOR(pg_catalog.-) ", "||/", "-@ ", "?-", "#"]
COMPARISONS = [
    "§ AND §", "§ OR §", "§ IN (§, 1)", "§ BETWEEN § AND 1", "§ LIKE § ESCAPE 'x'", "§ IS DISTINCT FROM §",
    "§ SIMILAR TO §", "§ IS NOT DISTINCT FROM §", "§ NOT ILIKE §", "(§, §) OVERLAPS (a, b)", "§ = ANY (§)",
]  # fmt: skip
SPACES = [" ", "\n", "\t", " /* c */ ", " -- c ' \n", " /* ( /* FOR */ SYSTEM_TIME ALL */ ", "  "]
NAMES = ["t", "s", "dim", "x", "silver.t", "db.silver.t", '"My T"', 'silver."a""b"', "date", "T", "straße", "表",
         'U&"d\\0061t"', 'U&"d!0061t" UESCAPE \'!\'', "mapping", "option", "label", "a$b", "silver . t", "between",
         "system_time", "substring_", "overlay", "time", "s.select", "rows", '"from"', "lateral_", "using_"]  # fmt: skip
ALIASES = ["", "", "", " d", " AS d", ' "D e"', " AS d(a, b)", " d (a)", " date", " at", " AS zone", " day", " time",
           " over", " filter", " within", " between", " values", " set", " operator", " to_", " AS of", " uescape",
           " system_time", " local", " format", " AS d (a int, b text)", "/**/d", " precision", " interval"]  # fmt: skip


class Maker:
    """Makes statements, each from the random numbers that come next."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.one: Callable[[list[str]], str] = random.choice
        self.depth = 0

    # --- Expressions ---------------------------------------------------------------------------

    def expression(self, names: Names, inside: bool = False) -> Piece:
        """One of operands and operators; with comparisons in words only inside of brackets."""
        self.depth += 1
        many = self.random.choices([1, 2, 3, 5], [6, 4, 2, 1])[0] if self.depth < 5 else 1
        found = self.operand(names)
        for _ in range(many - 1):
            found = self.combined(found, names)
        if inside and self.depth < 4 and self.random.random() < 0.3:
            found = filled(self.one(COMPARISONS), found, self.operand(names))
        self.depth -= 1
        return found

    def combined(self, left: Piece, names: Names) -> Piece:
        pick = self.random.random()
        space = self.one(SPACES) if pick < 0.3 else " "
        if pick < 0.2:
            return filled(f"§{space}AT{space}TIME ZONE §", left, self.operand(names))
        if pick < 0.25:
            return filled("§ AT LOCAL", left)
        if pick < 0.3:
            return filled(f"§ COLLATE {self.one(['a', 'pg_catalog.b', chr(34) + 'C' + chr(34)])}", left)
        right = self.operand(names)
        if (operator := self.one(OPERATORS)) in COMPARING:  # which do not chain
            left, right = filled("(§)", left), filled("(§)", right)
        return filled(f"§{space}{operator}{space}§", left, right)

    def operand(self, names: Names) -> Piece:
        found = self.simple(names)
        pick = self.random.random()
        if pick < 0.1:
            found = filled(f"{self.one(PREFIXES)}§", found)
        elif pick < 0.3:
            for _ in range(self.random.choice([1, 1, 2])):
                found = filled(f"§::{self.one(TYPES)}", found)
        elif pick < 0.4:
            found = filled("§" if found.written in COLUMNS else "(§)", found)
            found = filled(self.one(["§[1]", "§[1:2]", "§[:]", "§[a[1]][b]", "§.a", "§[1].b", "§.\"c\"", "§.order"]), found)
        return found

    def simple(self, names: Names) -> Piece:
        pick = self.random.random()
        if pick < 0.3 or self.depth > 4:
            return Piece(*[self.one(LITERALS)] * 2)
        if pick < 0.5:
            return Piece(*[self.one(COLUMNS)] * 2)
        if pick < 0.6:
            return Piece(*[self.one(TYPED)] * 2)
        if pick < 0.68:
            return filled("(§)", self.expression(names, True))
        if pick < 0.72:
            return self.case(names)
        if pick < 0.76:
            return filled(self.one(["(§)", "ARRAY(§)", "EXISTS (§)", "((§))[1]", "f((§))"]), self.query(names))
        if pick < 0.77:
            deep = self.random.choice([30, 300, 3000] if self.depth < 3 else [5])
            return filled("(" * deep + "§" + ")" * deep, self.simple(names)) if deep < 400 else Piece("1", "1")
        return self.call(names)

    def case(self, names: Names) -> Piece:
        return filled(
            self.one(["CASE WHEN § THEN § END", "CASE a WHEN § THEN t.end ELSE § END",
                      "case when a then case when § then b.case end else § end"]),
            self.expression(names, True), self.expression(names, True),
        )  # fmt: skip

    def call(self, names: Names) -> Piece:
        template = self.one([
            "now()", "f(§)", "pg_catalog.f(§)", "s.\"F\"(§)", "f(a => §)", "f(VARIADIC §)", "coalesce(§, b)", "left(§, 1)",
            "greatest(§, NULL)", "CAST(§ AS timestamptz)", "extract(epoch FROM §)", "ARRAY[§, b]", "ARRAY[[§]]",
            "ROW(§, 1)", "substring(§ FROM 1 FOR 2)", "trim(BOTH FROM §)", "overlay(§ PLACING b FROM 1)",
            "max(DISTINCT §)", "max(§) FILTER (WHERE a)", "count(*)", "position(§ IN b)", "to_timestamp(§)",
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY §)", "rank() OVER (PARTITION BY §)", "rank() OVER (ORDER BY §)", "max(§) OVER w", "rank() OVER w",
            "substring(§ FOR system_time)", "treat(§ AS int)", "json_value(§, '$')", "xmlforest(§ AS from)",
            "(§)::timestamptz", "(§).a", "nullif(§, 1)", "json_object('a': §)", "date(§)", "timestamptz(§)", "right(§, 2)",
        ])  # fmt: skip
        return filled(template, *[self.expression(names, True)] * template.count("§"))

    # --- References ----------------------------------------------------------------------------

    def reference(self, names: Names, way: str = "§") -> Piece:
        """A table with the clause; with its own alias, or with its name as the alias."""
        form, name, alias = self.one(FORMS), self.one(NAMES), self.one(ALIASES)
        name = self.one(sorted(names)) if names and self.random.random() < 0.2 else name
        instants = [self.expression(names) for _ in range(form.count)]
        if len(instants) > 1 and re.match("second", instants[1].written):
            instants[1] = filled("(§)", instants[1])  # nor TO second for a range of units
        if alias in (" day", " second") and instants and re.search(r"(?i)interval( '1')?$", instants[-1].written):
            alias = ""  # PostgreSQL would take the word for the interval's unit
        clause = form.clause.replace("{}", "§").split()
        if self.random.random() < 0.3:
            clause = [word.lower() for word in clause]
        spaces = [self.one(SPACES) if self.random.random() < 0.15 else " " for _ in range(len(clause) + 3)]
        star = self.one([" *", "*"]) if self.random.random() < 0.05 else ""
        words = zip(spaces, ["FOR", self.one(["SYSTEM_TIME", "system_time"]), *clause], strict=False)
        written = filled(name + star + "".join(map("".join, words)) + alias, *instants)
        quote = name.rfind('"')
        called = name[:quote] + form.suffix + name[quote:] if quote > 0 else name + form.suffix
        last = name.rpartition(".")[2].strip()
        own = alias or f" AS {last}".replace("select", '"select"')
        refusals = written.refusals
        if name.lower() in names:
            refusals |= {"clause on a query"}
        return Piece(written.written, f"{called}({', '.join(i.sent for i in instants)}){own}", refusals)

    def table(self, names: Names) -> Piece:
        """What stands in a FROM list: mostly such references."""
        self.depth += 1
        pick = self.random.random()
        if pick < 0.6 or self.depth > 4:
            found = self.reference(names)
        elif pick < 0.7:
            found = Piece(*[self.one(["u", "u AS v", "ONLY u", "u *", "f(1) AS g(a, b)", "ROWS FROM (f(1), g(2)) r",
                                      "u TABLESAMPLE system (1)", "unnest(ARRAY[1]) WITH ORDINALITY AS w(a, b)"])] * 2)
        elif pick < 0.85:
            found = filled(self.one(["(§) q", "LATERAL (§) AS q(a)", "(§)"]), self.query(names))
        else:
            found = filled(self.one(["(§)", "(§) AS j"]), self.joined(names))
        self.depth -= 1
        return found

    def joined(self, names: Names) -> Piece:
        join = self.one(["§ JOIN § ON a IS DISTINCT FROM §", "§ LEFT JOIN § USING (a, b)", "§ NATURAL FULL JOIN §", "§ CROSS JOIN §",
                         "§ CROSS JOIN LATERAL §", "§ RIGHT OUTER JOIN § ON CASE WHEN a THEN § END = 1", "§ JOIN § USING (a) AS k",
                         "§ JOIN § ON max(a) FILTER (WHERE b) > §", "§ JOIN § ON true JOIN u ON extract(year FROM §) = 1"])  # fmt: skip
        parts = [self.table(names), self.table(names), self.expression(names, True)]
        return filled(join, *parts[: join.count("§")])

    def tables(self, names: Names) -> Piece:
        found = self.table(names)
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2])):
            more = self.joined(names) if self.random.random() < 0.5 and self.depth < 4 else self.table(names)
            found = filled("§, §", found, more)
        return found

    # --- Statements ----------------------------------------------------------------------------

    def query(self, names: Names) -> Piece:
        self.depth += 1
        pick = self.random.random()
        if pick < 0.15 and self.depth < 3:
            found = self.with_query(names)
        elif pick < 0.25 and self.depth < 4:
            found = filled(self.one(["§ UNION ALL §", "(§) EXCEPT (§)", "§ INTERSECT SELECT 1 UNION §"]),
                           self.select(names), self.select(names))  # fmt: skip
        else:
            found = self.select(names)
        self.depth -= 1
        return found

    def select(self, names: Names) -> Piece:
        targets = self.one(["*", "a, b AS from", "a AS select, t.from", "a join, b", "DISTINCT ON (a, b) *", "count(*)", "a IS NOT DISTINCT FROM b, c",
                            "substring(a FROM b), d", "'FROM', \"FROM\"", "", "extract(year FROM a) AS using, b", "a delete, b update", "rows"])  # fmt: skip
        rest = self.one(["", "", "", " WHERE §", " WHERE a IS DISTINCT FROM b", " WHERE a IN (SELECT b FROM §)", " GROUP BY a HAVING §", " ORDER BY a USING <, b LIMIT 1",
                         " FETCH FIRST ROW ONLY", " FOR UPDATE OF k", " WINDOW w AS (ORDER BY a)", " OFFSET 1", "\n"])  # fmt: skip
        more = [self.table(names) if "FROM §" in rest else self.expression(names, True)] if "§" in rest else []
        return filled(f"SELECT {targets} FROM §{rest}", self.tables(names), *more)

    def with_query(self, names: Names) -> Piece:
        """Each query sees those before it, and in RECURSIVE itself and all."""
        made = self.random.sample(["t", "s", "dim", "x", "date", "overlay"], 2)
        recursive = self.random.random() < 0.4
        sees = names | {*made} if recursive else names
        first = self.query(sees)
        second = self.query(sees | {made[0]})
        ways = [self.one(["", " MATERIALIZED", " NOT MATERIALIZED"]) for _ in made]
        columns = self.one(["", " (a, b)", "(a)"])
        search = self.one(["", " SEARCH DEPTH FIRST BY a, b SET o CYCLE a, b SET c USING p"])
        head = f"WITH {'RECURSIVE ' if recursive else ''}{made[0]}{columns} AS{ways[0]} (§){search}, {made[1]} AS{ways[1]} (§) "
        main = self.select(names | {*made})
        return filled(f"{head}§", first, second, main)

    def statement(self) -> Piece:
        template = self.one(STATEMENTS)
        refused = ()
        if "!" in template:
            template, _, about = template.partition("!")
            refused = about.split("|")
        parts = [getattr(self, name)(frozenset()) for name in re.findall(r"{(\w+)}", template)]
        found = filled(re.sub(r"{\w+}", "§", template), *parts)
        return found._replace(refusals=found.refusals | {*refused})


# The methods that fill it in are in braces; behind ! stands why it is refused.
STATEMENTS = [
    *["{query}"] * 20, "{query};", "SELECT 1; {query}; SELECT 2", "({query})", "EXPLAIN {query}", "EXPLAIN (ANALYZE, COSTS off) {query}", "COPY ({query}) TO STDOUT",
    "INSERT INTO u {query} ON CONFLICT (a) DO UPDATE SET a = 1 RETURNING *", "INSERT INTO u (a, b) {query} RETURNING a AS from, b",
    "INSERT INTO u WITH x AS (SELECT 1) SELECT * FROM x, silver.y", "UPDATE u SET a = 1, b = ({query}) FROM {tables} WHERE a = b RETURNING *", "UPDATE ONLY u v SET (a, b) = (SELECT 1, 2 FROM {table}) FROM {tables}",
    "DELETE FROM u USING {tables} WHERE a IS DISTINCT FROM b", "DELETE FROM ONLY u AS v USING {tables} RETURNING a, b", "MERGE INTO u USING {table} ON true WHEN MATCHED THEN UPDATE SET a = 1, b = 2 WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1, 2)",
    "MERGE INTO u AS v USING {reference} ON CASE WHEN a THEN b END WHEN MATCHED THEN DELETE RETURNING *", "CREATE TABLE w AS {query} WITH NO DATA", "CREATE TEMP TABLE w (a, b) ON COMMIT DROP AS {query}", "CREATE VIEW w AS {query} WITH CHECK OPTION", "CREATE OR REPLACE VIEW w (a) AS {query}",
    "CREATE MATERIALIZED VIEW w AS {query}", "CREATE RECURSIVE VIEW w (a) AS SELECT 1 UNION ALL SELECT a FROM w, {tables}", "DECLARE c CURSOR WITH HOLD FOR {query}", "PREPARE p (int) AS {query}", "PREPARE p AS DELETE FROM u USING {tables}", "CREATE RULE r AS ON DELETE TO u DO ALSO ({query}; DELETE FROM v USING {tables})",
    "CREATE RULE r AS ON UPDATE TO u DO INSTEAD UPDATE v SET a = b FROM {tables}", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC {query}; SELECT 2; END", "CREATE FUNCTION f() RETURNS int RETURN ({query})", "CREATE POLICY p ON u USING (a IN ({query}))", "VALUES (({query}), 1), ({expression})", "CREATE SCHEMA z CREATE VIEW w AS {query} GRANT SELECT ON w TO u",
    "SELECT * INTO w FROM {tables}", "SELECT json_array(SELECT a FROM {reference} FORMAT JSON)", "SELECT ARRAY({query}), EXISTS ({query}), ({query})", "CALL p(({query}))", "WITH z AS (INSERT INTO u {query} RETURNING *) SELECT * FROM z, {tables}", "WITH z AS (DELETE FROM u USING {tables} RETURNING a AS from) UPDATE u SET a = b FROM {tables}",
    "WITH z AS (MERGE INTO u USING {table} ON true WHEN MATCHED THEN DO NOTHING RETURNING *) DELETE FROM v USING {table}", "SELECT substring((SELECT a FROM {tables}) FOR 2)", "INSERT INTO substring (SELECT * FROM {tables})", "SELECT * FROM u substring (a), {tables}", "SELECT * FROM x, (SELECT 1) y, {reference}",
    "SELECT a {expression} FROM {tables}", "SELECT {expression}, {expression} FROM {reference}", "SELECT substring(a FOR system_time), overlay(a PLACING b FROM 1 FOR system_time) FROM {reference}", "SELECT a FROM u ORDER BY (SELECT 1 FROM {table})",
    "SELECT * FROM {reference}, u FOR UPDATE!clause with a lock", "({query} UNION TABLE v); SELECT a FROM u JOIN ({reference} JOIN v ON {expression}) ON true WHERE a IN ({query}) FOR SHARE NOWAIT!clause with a lock", "SELECT * FROM u, (SELECT * FROM {reference} LIMIT 1) AS k WHERE {expression} FOR NO KEY UPDATE OF u FOR KEY SHARE OF k!clause with a lock", "(SELECT * FROM {reference}) ORDER BY 1 FOR UPDATE!clause with a lock",
    "SELECT * FROM u WHERE a IN ({query}) FOR UPDATE", "SELECT * FROM u, ({query}) AS q, {tables} FOR SHARE OF u, k", "WITH z AS ({query}) SELECT * FROM u FOR UPDATE", "CREATE POLICY p ON u FOR UPDATE USING (a IN ({query}))",
    "TABLE {reference}!clause with TABLE or ONLY|clause on a query", "SELECT * FROM ONLY {reference}!clause with TABLE or ONLY", "SELECT * FROM ONLY (t FOR SYSTEM_TIME ALL)!clause with TABLE or ONLY", "SELECT * FROM t FOR SYSTEM_TIME ALL TABLESAMPLE system (1)!clause with a sample", "SELECT * FROM t FOR SYSTEM_TIME AS OF {expression} AS d TABLESAMPLE system (1)!clause with a sample",
    "SELECT * FROM f(1) FOR SYSTEM_TIME AS OF {expression}!clause after a bracket", "SELECT * FROM ({query}) FOR SYSTEM_TIME AS OF {expression}!clause after a bracket", "SELECT * FROM t FOR SYSTEM_TIME ALL WITH ORDINALITY!clause with a sample",
    "UPDATE {reference} SET a = 1!history written", "UPDATE ONLY {reference} SET a = 1!history written", "DELETE FROM {reference}!history written", "DELETE FROM ONLY {reference}!history written", "INSERT INTO {reference} VALUES (1)!history written", "MERGE INTO {reference} USING u ON true WHEN MATCHED THEN DELETE!history written",
    "SELECT a, {reference}!clause without a table|clause after the alias", "SELECT {reference}!clause without a table", "SELECT f({reference})!clause without a table", "SELECT a IS DISTINCT FROM {reference}!clause without a table", "SELECT extract(year FROM {reference}) FROM u!clause without a table", "SELECT xmlforest(a, {reference})!clause without a table", "SELECT * FROM u WHERE a IS NOT DISTINCT FROM {reference}!clause without a table",
    "SELECT * FROM u JOIN v USING ({reference})!clause without a table", "SELECT * FROM u ORDER BY a, {reference}!clause without a table", "SELECT * FROM ROWS FROM ({reference})!clause without a table", "INSERT INTO u ({reference}) VALUES (1)!clause without a table", "UPDATE u SET a = 1, b = {reference}!clause without a table|clause after the alias",
    "SELECT a FROM u GROUP BY a, {reference}!clause without a table", "COPY {reference} TO STDOUT!clause without a table|clause after the alias", "CREATE TABLE t AS SELECT 1 AS a; SELECT * FROM t FOR SYSTEM_TIME ALL!clause on what is new", "CREATE TEMP TABLE IF NOT EXISTS t (a int); SELECT * FROM T FOR SYSTEM_TIME ALL!clause on what is new",
    "SELECT 1 AS a INTO TEMP t; SELECT * FROM t FOR SYSTEM_TIME ALL!clause on what is new", "CREATE RECURSIVE VIEW t (a) AS SELECT * FROM t FOR SYSTEM_TIME ALL!clause on a query",
]  # fmt: skip
