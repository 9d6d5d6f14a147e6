"""What printed models declare and what a database has, line by line, so that they can be compared."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from difflib import unified_diff
from inspect import cleandoc
from types import ModuleType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sqlalchemy import Connection, Engine, MetaData, Table, select
from sqlalchemy import inspect as mapper_of
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, Mapper, Session

from medallion_lib import models

# A partition is its table's. The columns of a view, or of a table that dbt makes from a query, may
# all be null, for all that PostgreSQL knows.
RELATIONS = """
    SELECT relnamespace::regnamespace::text, relname,
           relkind IN ('v', 'm') OR relnamespace = to_regnamespace('star'),
           obj_description(oid, 'pg_class')
    FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
      AND relnamespace::regnamespace::text = ANY (%s)
    ORDER BY 1, 2"""


def printed(engine: Engine, *names: str) -> Any:
    """The models of these names as a module, of the source that is printed for them."""
    module = sys.modules["printed"] = ModuleType("printed")
    exec(models.source(engine, *names), module.__dict__)
    return module


def mappers(made: Any) -> list[Mapper[Any]]:
    """The models of a printed module, or of reflect, in order of their tables' names."""
    found = [mapper_of(each) for each in vars(made).values()
             if isinstance(each, type) and issubclass(each, models.Model) and hasattr(each, "__table__")]  # fmt: skip
    return sorted(found, key=lambda each: each.local_table.fullname)


def differences(warehouse: Connection, made: Any, *schemas: str) -> list[str]:
    """What only the database has, behind a minus, and only the models, behind a plus."""
    declared = {each.local_table.fullname: each for each in mappers(made) if each.local_table.schema in schemas}
    found, told = [], []
    relations = warehouse.exec_driver_sql(RELATIONS, (list(schemas),)).all()
    for schema, name, is_query, meaning in relations:
        table = Table(name, MetaData(), schema=schema, autoload_with=warehouse, resolve_fks=False)
        found += _lines(table, meaning, is_query)
        if model := declared.pop(f"{schema}.{name}", None):
            doc = model.class_.__dict__.get("__doc__")
            told += _lines(model.local_table, doc and " ".join(cleandoc(doc).split()), is_query)
    told += [f"{name}: no such table or view" for name in declared]
    lines = unified_diff(found, told, n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def _lines(table: Table, meaning: str | None, is_query: bool) -> Iterator[str]:
    """One for the table, one for each column in order, and one for the key of what is no query."""
    yield f"{table.fullname}: {meaning}"
    for column in table.columns:
        type_ = column.type.compile(postgresql.dialect())
        null = "" if column.nullable or is_query else " NOT NULL"
        made = f" = {column.computed.sqltext}" if column.computed is not None else ""
        yield f"{table.fullname}.{column.name} {type_}{null}{made}"
    if not is_query:
        key = (column.name for column in table.columns if column.primary_key)  # in a class, by their order
        yield f"{table.fullname} has the key {', '.join(key)}"


def keys(mapper: Mapper[Any]) -> Iterable[str]:
    """The columns by which the ORM tells rows apart."""
    return [column.name for column in mapper.primary_key]


def hints(mapper: Mapper[Any]) -> dict[str, Any]:
    """The type of each column's values, as a reader of the class sees it."""
    return {name: get_args(hint)[0] for name, hint in get_type_hints(mapper.class_).items()
            if get_origin(hint) is Mapped}  # fmt: skip


def of_type(value: Any, hint: Any) -> bool:
    kind = get_origin(hint) or hint
    if kind in (UnionType, Union):
        return any(of_type(value, each) for each in get_args(hint))
    if kind is Literal:
        return value in get_args(hint)
    if kind is list:
        return type(value) is list and all(of_type(each, *get_args(hint)) for each in value)
    return type(value) is kind


def untyped(session: Session, mapper: Mapper[Any]) -> list[tuple[str, Any]]:
    """Columns and values, in a hundred rows, that are not of the column's type, or not in UTC."""
    rows = session.scalars(select(mapper.class_).limit(100)).all()
    assert rows, mapper
    return [(f"{mapper.local_table.fullname}.{name}", value) for row in rows for name, hint in hints(mapper).items()
            if not of_type(value := getattr(row, name), hint)
            or (isinstance(value, datetime) and value.utcoffset() != timedelta(0))]  # fmt: skip
