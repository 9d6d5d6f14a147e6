"""What models declare and what a database has, line by line, so that they can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import unified_diff

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapper

from medallion_lib.models import Base

# A partition is its table's. A view's columns may all be null, for all that PostgreSQL knows.
RELATIONS = """
    SELECT relnamespace::regnamespace::text, relname, relkind IN ('v', 'm'),
           obj_description(oid, 'pg_class')
    FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
      AND relnamespace::regnamespace::text = ANY (%s)
    ORDER BY 1, 2"""


def mappers(*schemas: str) -> list[Mapper[Base]]:
    """Those of the models imported so far whose tables are in these schemas, in order of name."""
    found = [each for each in Base.registry.mappers if each.local_table.schema in schemas]
    return sorted(found, key=lambda each: each.local_table.fullname)


def differences(warehouse: Connection, *schemas: str) -> list[str]:
    """What only the database has, behind a minus, and only the models, behind a plus."""
    models = {each.local_table.fullname: each for each in mappers(*schemas)}
    found, told = [], []
    relations = warehouse.exec_driver_sql(RELATIONS, (list(schemas),)).all()
    for schema, name, is_view, meaning in relations:
        table = Table(name, MetaData(), schema=schema, autoload_with=warehouse)
        found += _lines(table, meaning, is_view)
        if model := models.pop(f"{schema}.{name}", None):
            told += _lines(model.local_table, model.class_.__doc__, is_view)
    told += [f"{name}: no such table or view" for name in models]
    lines = unified_diff(found, told, n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def _lines(table: Table, meaning: str | None, is_view: bool) -> Iterator[str]:
    """One for the table, one for each column in order, and one for the key of what is no view."""
    yield f"{table.fullname}: {meaning}"
    for column in table.columns:
        type_ = column.type.compile(postgresql.dialect())
        null = "" if column.nullable or is_view else " NOT NULL"
        made = f" = {column.computed.sqltext}" if column.computed is not None else ""
        yield f"{table.fullname}.{column.name} {type_}{null}{made}"
    if not is_view:
        yield f"{table.fullname} has the key {', '.join(table.primary_key.columns.keys())}"


def keys(mapper: Mapper[Base]) -> Iterable[str]:
    """The columns by which the ORM tells rows apart."""
    return [column.name for column in mapper.primary_key]
