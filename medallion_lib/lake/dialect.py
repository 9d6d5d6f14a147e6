"""PostgreSQL's SQL as Spark's: sqlglot's translation, mended where that changes what is meant.

Session and SQL are in UTC, and Spark's timestamps count microseconds as PostgreSQL's do. Each mend
has a test of its own in tests/lake/test_dialect.py.
"""

from collections.abc import Callable
from typing import Any

from sqlglot import exp, parse_one

from medallion_lib.errors import refusal
from medallion_lib.lake.types import EVER, FOREVER

DAY = 86_400_000_000  # microseconds
_COMPARISONS = {exp.LT: exp.LT, exp.LTE: exp.LT, exp.GT: exp.GT, exp.GTE: exp.GT}
_ONE = "CAST(1 AS DECIMAL(1, 0))"  # what is multiplied by it is exact, with the digits it had


def parsed(query: str) -> exp.Expression:
    return parse_one(query, dialect="postgres")


def spark(tree: exp.Expression) -> str:
    """The statement as Spark and Sail take it; the tree is changed."""
    for kind, mend in MENDS:
        # The innermost first: what is around them is made of them.
        for node in reversed([*tree.find_all(kind)]):
            if node is not tree and (mended := mend(node)) is not node:
                node.replace(mended)
    return tree.sql("spark", pretty=True, comments=False)


def _made(text: str, **parts: exp.Expression) -> exp.Expression:
    """An expression of Spark's, with the parts in the place of columns of their names."""
    tree = exp.Paren(this=parse_one(text, dialect="spark"))
    for column in [*tree.find_all(exp.Column)]:
        if column.name in parts:
            column.replace(exp.Paren(this=parts[column.name].copy()))
    return tree


def _cte(node: exp.CTE) -> exp.CTE:
    """Spark decides by itself what it makes once."""
    node.set("materialized", None)
    return node


def _cast(node: exp.Cast) -> exp.Expression:
    kind, value = node.to, node.this.unnest()
    if isinstance(value, exp.JSONExtractScalar):  # a field of its type; see _member
        return value
    if kind.this == exp.DataType.Type.USERDEFINED:  # that of a row, of which there is none
        return exp.null()
    if kind.is_type("text") and value.is_string:
        return value
    if kind.is_type("decimal") and not kind.expressions:
        return _made(f"n * {_ONE}", n=value)
    return node


def _member(node: exp.JSONExtractScalar) -> exp.Expression:
    """A change's member of JSON is a field of its row, of the column's type."""
    (name,) = node.expression.find_all(exp.JSONPathKey)
    return exp.Dot(this=node.this, expression=exp.to_identifier(name.this, quoted=True))


def _paren(node: exp.Paren) -> exp.Expression:
    """PostgreSQL prints more of them than are needed."""
    needless = exp.Column | exp.Literal | exp.Paren | exp.Cast | exp.Dot | exp.AggFunc
    return node.this if isinstance(node.this, needless) else node


def _literal(node: exp.Literal) -> exp.Expression:
    ends = {"infinity": FOREVER, "-infinity": EVER}
    return _instant(ends[node.this]) if node.is_string and node.this in ends else node


def _instant(text: str) -> exp.Expression:
    return exp.cast(exp.Literal.string(text), "timestamptz")


def _at_time_zone(node: exp.AtTimeZone) -> exp.Expression:
    """A time in UTC and the instant that it is are one, where the session is in UTC."""
    zone = node.args["zone"].find(exp.Literal)
    if zone is None or zone.this.upper() != "UTC":
        raise refusal("not for an engine", sql=node.sql("postgres"))
    return node.this


def _average(node: exp.Avg) -> exp.Expression:
    """Spark's own has four digits more than its values, and is rounded to them."""
    return _made(f"SUM(x) * {_ONE} / NULLIF(COUNT(x), 0)", x=node.this)


def _epoch(node: exp.Extract) -> exp.Expression:
    between = node.expression.unnest()
    if node.name.upper() != "EPOCH":
        return node
    if not isinstance(between, exp.Sub):
        raise refusal("not for an engine", sql=node.sql("postgres"))
    seconds = f"CAST({_micros('a', 'b')} * 0.000001 AS DECIMAL(18, 6))"
    return _made(seconds, a=between.this, b=between.expression)


def _micros(end: str, start: str) -> str:
    return f"(UNIX_MICROS({end}) - UNIX_MICROS({start}))"


def _comparison(node: exp.Binary) -> exp.Expression:
    left, right = node.this.unnest(), node.expression.unnest()
    if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
        return exp.Paren(this=_of_rows(type(node), left.expressions, right.expressions))
    if isinstance(left, exp.Sub) and (days := _days(right)):
        node.set("this", _made(_micros("a", "b"), a=left.this, b=left.expression))
        node.set("expression", _made(f"d * {DAY}", d=days))
    return node


def _days(node: exp.Expression) -> exp.Expression | None:
    """Those of make_interval(days => n). An interval of anything else is refused."""
    given = [name for name, value in node.args.items() if value]
    if isinstance(node, exp.MakeInterval) and given == ["day"]:
        days = node.args["day"]
        return days.expression if isinstance(days, exp.Kwarg) else days
    if isinstance(node, exp.MakeInterval | exp.Interval):
        raise refusal("not for an engine", sql=node.sql("postgres"))
    return None


def _of_rows(kind: type, left: list, right: list) -> exp.Expression:
    """Rows compare by their first members that differ."""
    a, b = left[0].copy(), right[0].copy()
    if len(left) == 1:
        return kind(this=a, expression=b)
    less = _COMPARISONS[kind](this=a.copy(), expression=b.copy())
    rest = _of_rows(kind, left[1:], right[1:])
    return exp.or_(less, exp.and_(exp.EQ(this=a, expression=b), rest))


def _window(node: exp.Window) -> exp.Expression:
    """What lag() gives where no row comes before may be no column on Sail."""
    default = node.this.args.get("default")
    if not isinstance(node.this, exp.Lag) or not isinstance(default, exp.Column):
        return node
    node.this.set("default", None)
    number = exp.Window(**{**node.copy().args, "this": exp.RowNumber()})
    is_first = exp.EQ(this=number, expression=exp.Literal.number(1))
    return exp.Case().when(is_first, default).else_(node.copy())


def _row_hash(node: exp.Dot) -> exp.Expression:
    """It has been exported with its change."""
    call = node.expression
    is_ours = isinstance(call, exp.Anonymous) and call.name.lower() == "row_hash"
    return call.expressions[0] if is_ours else node


def _lateral(node: exp.Lateral) -> exp.Expression:
    """Rows of an array that depends on the row beside it: a join. (None are there before these.)"""
    union = node.find(exp.Union)
    if union is None or not isinstance(node.this, exp.Unnest):
        return node
    rows, name = union.expression, node.alias
    keys = [column.alias_or_name for column in rows.expressions]
    on = rows.args["where"].this.copy()
    for column in on.find_all(exp.Column):
        if not column.table:
            column.set("table", exp.to_identifier(name))
    select = node.parent_select
    select.set("distinct", exp.Distinct())
    columns = [exp.column(key, name) for key in keys]
    select.set("expressions", [*columns, *select.expressions[1:]])  # known.* comes first
    join = exp.Join(this=exp.alias_(rows.args["from_"].this.copy(), name, table=True), on=on)
    node.parent.replace(join)
    return node


def _call(node: exp.Anonymous) -> exp.Expression:
    """A row of JSON is what a change's row is: a struct."""
    is_row = node.name.lower() == "jsonb_build_object"
    return exp.func("named_struct", *node.expressions) if is_row else node


MENDS: tuple[tuple[Any, Callable[[Any], exp.Expression]], ...] = (
    (exp.CTE, _cte),
    (exp.Lateral, _lateral),
    (exp.Window, _window),
    (exp.AtTimeZone, _at_time_zone),
    (exp.Avg, _average),
    (exp.Extract, _epoch),
    (tuple(_COMPARISONS), _comparison),
    (exp.Cast, _cast),
    (exp.JSONExtractScalar, _member),
    (exp.Anonymous, _call),
    (exp.Dot, _row_hash),
    (exp.Literal, _literal),
    (exp.Paren, _paren),
)
