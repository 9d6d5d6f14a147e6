"""Random statements in every form answer what the model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from math import inf
from typing import Any

import pytest
from forms_model import PICKING, RELATIONS, Data, Query, answer, histories, statements, versions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import AsIs, connection as Connection, cursor as Cursor
from psycopg2.extras import execute_values
from sqlalchemy import URL
from test_as_of_functions import FRESH, PATH, TABLES, execute, moment

from medallion_lib import server
from medallion_lib.system_time import functions
from medallion_lib.system_time import rewrite

pytestmark = pytest.mark.long(2)

Asked = list[tuple[Query, dict[str, datetime]]]
EXAMPLES = {
    "items": histories(),
    "sales": histories(),
    "asked": st.lists(statements(), min_size=3, max_size=3),
}
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def database(spare_url: URL) -> Iterator[Connection]:
    connection = server.connect(spare_url)
    execute(connection, f"{PATH}; {FRESH}; {TABLES}; {PICKING}; SET jit = off")
    functions.regenerate(connection)
    connection.commit()
    yield connection
    connection.rollback()
    execute(connection, FRESH)
    connection.commit()
    connection.close()


@settings(max_examples=50, **SETTINGS)
@given(**EXAMPLES)
def test_fifty_histories(database: Connection, items: dict, sales: dict, asked: Asked) -> None:
    check(database, Data(items, sales), asked)


@pytest.mark.slow
@settings(max_examples=20_300, **SETTINGS)
@given(**EXAMPLES)
def test_twenty_thousand_histories(
    database: Connection, items: dict, sales: dict, asked: Asked
) -> None:
    check(database, Data(items, sales), asked)


def check(database: Connection, data: Data, asked: Asked) -> None:
    """No statement answers anything else than the model; the history is gone again afterwards."""
    try:
        with database.cursor() as cursor:
            load(cursor, data)
            for query, binds in asked:
                cursor.execute(rewrite(query.sql), binds)
                found, wanted = answer(cursor.fetchall()), Counter(query.rows(data))
                assert found == wanted, query.sql
    finally:
        database.rollback()


def load(cursor: Cursor, data: Data) -> None:
    """All versions, in one round trip for each table."""
    tables = {relation.name: relation for relation in RELATIONS}
    for name, history in (("item_hist", data.items), ("sale", data.sales)):
        columns = tables[name].columns
        rows = [
            [in_sql(column.of(version), column.kind) for column in columns]
            for version in versions(history)
        ]
        named = ", ".join(column.name for column in columns)
        if rows:
            execute_values(cursor, f"INSERT INTO {name} ({named}) VALUES %s", rows)


def in_sql(value: Any, kind: str) -> object:
    if kind != "time":
        return value
    return AsIs("'infinity'") if value == inf else moment(value)
