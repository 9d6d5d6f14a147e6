"""The tables and views of a lake, and how a statement that names them reads files."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from sqlglot import exp

from medallion_lib.errors import refusal
from medallion_lib.instants import instant
from medallion_lib.lake.dialect import parsed
from medallion_lib.lake.types import FOREVER
from medallion_lib.system_time import SystemTimeError, rewrite
from medallion_lib.system_time.forms import AS_OF, FORMS, Form

Name = tuple[str, ...]  # schema and name
SEARCH_PATH = ("gold", "silver", "bronze")  # of a name without a schema
MERGE = "this merge"  # the schema of what a merge alone reads; see batch.sql
LATE = exp.Literal.string(f"{FOREVER[:-1]}8")  # the last instant that is not endless
_PARAMETER = re.compile(r"\$(\d)")


class Relations:
    """Tables, each known to the engine by `file_of` its name, and views by their queries."""

    def __init__(
        self, tables: Iterable[Name], views: Iterable[dict[str, Any]],
        file_of: Callable[[Name], str],
    ) -> None:  # fmt: skip
        self.tables = frozenset(tables)
        self.queries = {tuple(each["name"]): each["query"] for each in views}
        self.file_of = file_of
        self._numbers = count(1)

    def statement(self, sql: str) -> exp.Expression:
        """A statement, with FOR SYSTEM_TIME or without, that reads what these are made of.

        A view without the clause is as it is now, and so is a table's view of its current rows.
        """
        return self._read(parsed(rewrite(sql)), None, ())

    def _read(
        self, tree: exp.Expression, form: Form | None, instants: Sequence[exp.Expression]
    ) -> exp.Expression:
        own = {each.alias: f"{each.alias}_{next(self._numbers)}" for each in tree.find_all(exp.CTE)}
        for cte in tree.find_all(exp.CTE):  # Sail loses one that a view in it has a namesake of
            cte.args["alias"].set("this", exp.to_identifier(own[cte.alias]))
        for table in [*tree.find_all(exp.Table)]:
            if table.db or table.name not in own:
                table.replace(self._in_place_of(table, form, instants))
            else:
                table.set("alias", table.args.get("alias") or exp.TableAlias(this=table.this))
                table.set("this", exp.to_identifier(own[table.name]))
        return tree

    def _in_place_of(
        self, table: exp.Table, form: Form | None, instants: Sequence[exp.Expression]
    ) -> exp.Expression:
        call, asked = table.this, table.this.name
        if isinstance(call, exp.Anonymous):
            form = next((each for each in FORMS if asked.endswith(each.suffix)), None)
            asked, instants = asked.removesuffix(form.suffix if form else ""), call.expressions
        name = self._found(table.db, asked)
        query = self._relation(name, form, instants)
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name[1]))
        # What is joined to a table within parentheses is its own.
        return exp.Subquery(this=query, alias=alias, joins=table.args.get("joins"))

    def _found(self, schema: str, name: str) -> Name:
        for each in [schema] if schema else SEARCH_PATH:
            if (each, name) in self.tables or (each, name) in self.queries:
                return each, name
        named = ", ".join(sorted(name for _, name in (*self.tables, *self.queries)))
        raise refusal("not in the lake", name=f"{schema}.{name}".lstrip("."), named=named)

    def _relation(
        self, name: Name, form: Form | None, instants: Sequence[exp.Expression]
    ) -> exp.Expression:
        if name in self.queries:
            if form not in (None, AS_OF):
                raise refusal("view over a period", SystemTimeError)
            return self._read(parsed(self.queries[name]), form or AS_OF, instants or [LATE])
        rows = exp.select("*").from_(exp.to_identifier(self.file_of(name)))
        if form is None or name[0] in ("bronze", MERGE):
            return rows
        condition = parsed(form.condition)
        for parameter in [*condition.find_all(exp.Parameter)]:
            at = _instant(instants[int(parameter.name) - 1].copy())
            parameter.replace(exp.cast(exp.Paren(this=at), "timestamptz"))
        return rows.where(condition)


def _instant(asked: exp.Expression) -> exp.Expression:
    """One that is written out is written as every engine reads it, in UTC."""
    value = asked.this if isinstance(asked, exp.Cast) else asked
    if not value.is_string or value.name.endswith("infinity"):
        return asked
    return exp.Literal.string(f"{instant(value.name):%Y-%m-%d %H:%M:%S.%f}")
