"""SQLAlchemy models of a warehouse's tables and views, made from its catalog; and AS OF.

    models = reflect(lab.warehouse)
    session.scalars(select(models.DimCustomerHist).where(models.DimCustomerHist.customer_id == 42))

`python -m medallion_lib models` prints them as source, with types that an editor knows.
"""

import keyword
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from json import dumps
from textwrap import wrap
from types import SimpleNamespace
from typing import Any, TypeVar

from psycopg2.extensions import AsIs
from sqlalchemy import CheckConstraint, Column, Dialect, Engine, MetaData, Table, event, func, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, aliased

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.system_time.forms import AS_OF

SCHEMAS = ("bronze", "silver", "gold", "meta")
# What psycopg2 makes of infinity and -infinity, since Python's datetime has neither.
FOREVER = datetime.max.replace(tzinfo=UTC)
_INFINITE = {
    FOREVER: AsIs("'infinity'::timestamptz"),
    datetime.min.replace(tzinfo=UTC): AsIs("'-infinity'::timestamptz"),
}
_RANGES = {"TSTZRANGE": "datetime", "TSRANGE": "datetime", "DATERANGE": "date",
           "NUMRANGE": "Decimal", "INT4RANGE": "int", "INT8RANGE": "int"}  # fmt: skip
# Where printed source takes each name from.
_IMPORTS = {
    "datetime": {"date", "datetime", "time", "timedelta"},
    "decimal": {"Decimal"},
    "typing": {"Any", "Literal"},
    "uuid": {"UUID"},
    "sqlalchemy": {"Computed", "String", "Uuid"},
    "sqlalchemy.dialects.postgresql": {*postgresql.__all__} - {"Any", "UUID"},
    "sqlalchemy.orm": {"DeclarativeBase", "Mapped", "mapped_column"},
    "sqlalchemy.types": {"NullType"},
    "medallion_lib.models": {"Instant", "Model"},
}
_PERIOD = {"sys_start", "sys_end", "sys_period"}
_RESERVED = {"metadata", "registry", "bool", "bytes", "dict", "float", "int", "list", "str"}
_BASE = '''

class Base(Model, DeclarativeBase):
    """What the models of this module share."""'''
_STRING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# A CHECK that lets in some texts and no other.
_CHECK = re.compile(
    r"\(*(\w+)\)?(?:::text)? = ANY \(+ARRAY\["
    r"((?:'(?:[^']|'')*'::[\w ]+(?:, )?)+)\]\)*(?:::text\[\])?\)*"
)


class Instant(types.TypeDecorator[datetime]):
    """A timestamptz as an aware datetime; infinity is FOREVER, and FOREVER infinity."""

    impl = postgresql.TIMESTAMP(timezone=True)
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        # Sent as it is, it would be a moment in the year 9999, and equal to no version's end.
        return _INFINITE.get(value, value) if isinstance(value, datetime) else value

    def __repr__(self) -> str:
        return "Instant()"


class Model:
    """What every model has: it shows the values that it holds, also after its session."""

    def __repr__(self) -> str:
        names = (each.key for each in self.__mapper__.column_attrs if each.key in self.__dict__)
        return f"{type(self).__name__}({', '.join(f'{x}={self.__dict__[x]!r}' for x in names)})"


Class = TypeVar("Class", bound=Model)


def as_of(model: type[Class], instant: datetime | date | str) -> type[Class]:
    """The model with its rows as of an instant, to select from, filter and join like the model.

        then = as_of(models.DimCustomer, "2023-07-01")
        session.scalars(select(then).where(then.customer_id == 42))

    It calls the function that FOR SYSTEM_TIME AS OF is rewritten into, so any engine will do.
    (SQLAlchemy has no place for the clause: its hints are refused for PostgreSQL.)
    """
    table = model.__table__
    function = getattr(getattr(func, table.schema), table.name + AS_OF.suffix)
    return aliased(model, function(instant).table_valued(*table.columns), adapt_on_names=True)


def reflect(engine: Engine, *names: str) -> Any:
    """Return the models of these schemas, tables and views: `.DimCustomer` is dim_customer's.

    Without names, those of bronze, silver, gold and meta. Of two relations of one name, the second
    model's name begins with its schema: SilverBatchDimCustomer.
    The ORM knows a version by its key and sys_start, which stay when it is closed. It knows a row
    without a key by all its columns but arrays and documents. Raises MedallionError for a name of
    nothing.
    """

    class Base(Model, DeclarativeBase):
        metadata = MetaData()

    models = {}
    for name, table in _named(engine, names, Base.metadata):
        columns = {_attribute(column.name): column for column in table.columns}
        options = {"__mapper_args__": {"primary_key": _key(table)}, "__doc__": table.comment}
        models[name] = type(name, (Base,), {"__table__": table} | options | columns)
    return SimpleNamespace(**models)


def source(engine: Engine, *names: str) -> str:
    """Return the same models as the text of a Python module, with comments and types."""
    body, code = [_BASE], "Model DeclarativeBase Mapped mapped_column"
    for name, table in _named(engine, names, MetaData()):
        body += ["", "", f"class {name}(Base):", *_head(table)]
        texts = _texts(table)
        for column in table.columns:
            letters = "Literal" + texts[column.name] if column.name in texts else ""
            hint = letters or _hint(column.type)
            hint += " | None" if column.nullable else ""
            code += f" {hint} {(value := _value(column))}"
            body += _indented(column.comment or "", "# ")
            body.append(f"    {_attribute(column.name)}: Mapped[{hint}] = mapped_column({value})")
    words = {*re.findall(r"\w+", _STRING.sub("", code))}
    imports = [f"from {module} import {', '.join(sorted(words & known))}"
               for module, known in _IMPORTS.items() if words & known]  # fmt: skip
    return "\n".join(["from __future__ import annotations", "", *imports, *body])


def _named(
    engine: Engine, names: tuple[str, ...], metadata: MetaData
) -> Iterator[tuple[str, Table]]:
    """Each table and view, behind the name of its model."""
    event.listen(metadata, "column_reflect", _read_type)
    with engine.connect() as warehouse:
        query, parameters = sqlfile.read("models"), {"names": [*(names or SCHEMAS)]}
        asked = warehouse.exec_driver_sql(query, parameters).all()
        if missing := [name for name, _, relation in asked if relation is None]:
            raise refusal("no such relation", name=missing[0])
        for schema in {schema for _, schema, _ in asked}:
            there = {relation for _, place, relation in asked if place == schema}
            there |= {*map(_history, there)}
            metadata.reflect(warehouse, schema, views=True, resolve_fks=False,
                             only=lambda name, _, there=there: name in there)  # fmt: skip
    taken = {"Base"}.union(*_IMPORTS.values())
    for schema, relation in dict.fromkeys((schema, relation) for _, schema, relation in asked):
        name = _camel(relation)
        name = _camel(schema, relation) if name in taken else name
        taken.add(name)
        table = metadata.tables[f"{schema}.{relation}"]
        if (history := _versions(table)) is not None:
            for column in table.columns:
                column.nullable = history.columns[column.name].nullable
        yield name, table


def _read_type(_inspector: Any, _table: Table, column: dict[str, Any]) -> None:
    """Read a timestamptz as an Instant, and a UUID by a type of another name than its values."""
    if isinstance(column["type"], postgresql.TIMESTAMP) and column["type"].timezone:
        column["type"] = Instant()
    elif isinstance(column["type"], postgresql.UUID):
        column["type"] = types.Uuid()


def _indented(text: str, mark: str = "") -> list[str]:
    return [f"    {mark}{line}" for line in wrap(text, 90)]


def _camel(*parts: str) -> str:
    """A model's name: DimCustomer for dim_customer."""
    words = re.split(r"[\W_]+", "_".join(parts))
    return _attribute("".join(word[:1].upper() + word[1:] for word in words))


def _attribute(name: str) -> str:
    """A name that Python and SQLAlchemy take: class_ for class."""
    name = re.sub(r"\W|^(?=\d)", "_", name)
    return f"{name}_" if keyword.iskeyword(name) or name in _RESERVED else name


def _history(view: str) -> str:
    """The table whose current rows a view of this name shows, as meta.current_view names it."""
    return view.removesuffix("_current") if view.endswith("_current") else f"{view}_hist"


def _versions(view: Table) -> Table | None:
    """The versioned table whose current rows a view shows, if it is such a view."""
    table = view.metadata.tables.get(f"{view.schema}.{_history(view.name)}")
    names = {*view.columns.keys()}
    if view.primary_key.columns or table is None or "sys_start" not in names or "sys_end" in names:
        return None
    return table if table.primary_key.columns and names <= {*table.columns.keys()} else None


def _key(table: Table) -> list[Column]:
    """The columns by which the ORM tells rows apart."""
    versions = _versions(table)
    its = table if versions is None else versions
    key = its.primary_key.columns.keys()
    if key and {"sys_start", "sys_end"} <= {*its.columns.keys()}:
        key = [name for name in key if name not in _PERIOD] + ["sys_start"]
    if not key or not {*key} <= {*table.columns.keys()}:
        key = [each.name for each in table.columns if each.type.hashable] or table.columns.keys()
    return [table.columns[name] for name in key]


def _head(table: Table) -> Iterator[str]:
    """What a class says before its columns."""
    if meaning := " ".join((table.comment or "").split()):
        plain = not re.search(r'["\\]', meaning)
        yield from _indented(f'"""{meaning}"""') if plain else [f"    {dumps(meaning)}"]
        yield ""
    yield f"    __tablename__ = {dumps(table.name)}"
    yield f"    __table_args__ = {dumps({'schema': table.schema})}"
    if (key := _key(table)) != [*table.primary_key.columns]:
        names = {"primary_key": [_attribute(column.name) for column in key]}
        yield f"    __mapper_args__ = {dumps(names)}"
    yield ""


def _texts(table: Table) -> dict[str, str]:
    """By column, the texts that its CHECK lets in, written as a list."""
    checks = [each for each in table.constraints if isinstance(each, CheckConstraint)]
    found = filter(None, (_CHECK.fullmatch(str(each.sqltext)) for each in checks))
    texts = {one[1]: re.findall(r"'((?:[^']|'')*)'::", one[2]) for one in found}
    return {name: dumps([text.replace("''", "'") for text in each]) for name, each in texts.items()}


def _hint(type_: types.TypeEngine) -> str:
    """The type of a column's values in Python."""
    if isinstance(type_, postgresql.DOMAIN):
        return _hint(type_.data_type)
    if isinstance(type_, postgresql.ARRAY):
        return f"list[{_hint(type_.item_type)}]"
    if isinstance(type_, postgresql.JSON):
        return "dict[str, Any]"
    if element := _RANGES.get(type(type_).__name__):
        return f"Range[{element}]"
    if isinstance(type_, postgresql.REGCLASS):
        return "str"
    try:
        name = type_.python_type.__name__
    except NotImplementedError:
        return "Any"
    return "Any" if name == "object" else name


def _value(column: Column) -> str:
    """What mapped_column takes for a column; its hint says whether it can be null."""
    type_ = repr(column.type).replace("(astext_type=Text())", "")
    name = _attribute(column.name)
    parts = [] if name == column.name else [dumps(column.name)]
    parts.append(re.sub(r"(\w)\(\)(?=[,)]|$)", r"\1", type_))
    if column.computed is not None:
        made = column.computed
        parts.append(f"Computed({dumps(str(made.sqltext))}, persisted={made.persisted})")
    return ", ".join([*parts, "primary_key=True"] if column.primary_key else parts)
