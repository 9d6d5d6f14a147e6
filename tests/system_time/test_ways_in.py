"""Every driver, pandas and `%%sql` answer alike."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import matplotlib
import pandas
import pytest
from IPython.core.interactiveshell import InteractiveShell
from sqlalchemy import Connection, bindparam, create_engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from traitlets.config import Config
from year import as_owner, ask, own_lab

import cells
from medallion_lib import Medallion, MedallionError, system_time
from medallion_lib.pair import SEARCH_PATH

JULY, AUGUST = datetime(2023, 7, 1, tzinfo=UTC), datetime(2023, 8, 1, tzinfo=UTC)
COUNT = "SELECT count(*) FROM dim_customer_hist WHERE "
# Each form with its instants, and what it counts as the table itself has it.
FORMS = {
    "AS OF {july}": "sys_start <= {july} AND sys_end > {july}",
    "FROM {july} TO {august}": "sys_start < {august} AND sys_end > {july}",
    "BETWEEN {july} AND {august}": "sys_start <= {august} AND sys_end > {july}",
    "BETWEEN SYMMETRIC {august} AND {july}": "sys_start <= {august} AND sys_end > {july}",
    "CONTAINED IN ({july}, {august})": "sys_start >= {july} AND sys_end <= {august}",
    "ALL": "true",
}
QUOTED = {"july": "'2023-07-01'", "august": "'2023-08-01'"}
BOUND = {"july": JULY, "august": AUGUST}


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    with own_lab("ways_in") as lab:
        lab.reset(year=True)
        yield lab


@pytest.fixture
def warehouse(lab: Medallion) -> Iterator[Connection]:
    with lab.warehouse.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def counts(lab: Medallion) -> dict[str, int]:
    with as_owner(lab) as warehouse:
        found = {form: ask(warehouse, COUNT.replace("dim", "silver.dim") + where.format(**QUOTED))
                 for form, where in FORMS.items()}  # fmt: skip
    counts = {form: count for form, [(count,)] in found.items()}
    assert len(set(counts.values())) >= 4
    return counts


@pytest.fixture
def run(lab: Medallion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[
    Callable[[str], Any]
]:
    """Runs a cell as a notebook does; `day`, `july` and `august` are the notebook's variables."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    cells.start(lab)
    shell.push({"day": "2023-07-01", "relation": "dim_customer_hist", **BOUND})

    def run(cell: str) -> Any:
        ran = shell.run_cell(cell)
        ran.raise_error()
        return ran.result

    run.names = shell.user_ns
    yield run
    InteractiveShell.clear_instance()
    with as_owner(lab) as owner, owner.cursor() as cursor:
        cursor.execute('DROP TABLE IF EXISTS scratch.kept, scratch."Kündigung" CASCADE')
        cursor.execute("DROP VIEW IF EXISTS scratch.kept_now")
        owner.commit()


def asked(form: str, **instants: str) -> str:
    return f"SELECT count(*) FROM dim_customer_hist FOR SYSTEM_TIME {form.format(**instants)}"


# --- SQLAlchemy and pandas ---------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_binds_of_every_style(warehouse: Connection, counts: dict[str, int], form: str) -> None:
    names = re.findall(r"{(\w+)}", form)
    named = {name: BOUND[name] for name in names}
    in_text = asked(form, july=":july", august=":august")
    assert warehouse.execute(text(in_text), named).scalar_one() == counts[form]
    cast = asked(form, july="CAST(:july AS timestamptz)", august=":august - interval '0 days'")
    assert warehouse.execute(text(cast), named).scalar_one() == counts[form]
    pyformat = asked(form, july="%(july)s", august="%(august)s")
    assert warehouse.exec_driver_sql(pyformat, named).scalar_one() == counts[form]
    positional = asked(form, july="%s", august="%s")
    values = tuple(named[name] for name in names)
    assert warehouse.exec_driver_sql(positional, values).scalar_one() == counts[form]


@pytest.mark.parametrize("july", [
    JULY, date(2023, 7, 1), "2023-07-01", "2023-07-01 02:00+02", pandas.Timestamp(JULY),
    datetime(2023, 7, 1),
], ids=repr)  # fmt: skip
def test_an_instant_of_every_type(
    warehouse: Connection, counts: dict[str, int], july: object
) -> None:
    sql = asked("AS OF {july}", july=":july")
    assert warehouse.execute(text(sql), {"july": july}).scalar_one() == counts["AS OF {july}"]


def test_binds_before_within_and_after_the_clause(warehouse: Connection) -> None:
    sql = """
        WITH july AS (SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF :july WHERE store_id = :store)
        SELECT max(:word || '%'), count(*), min(h.customer_id)
        FROM july JOIN dim_customer_hist FOR SYSTEM_TIME FROM :july TO :august AS h USING (customer_id)
        WHERE h.customer_id IN :some AND h.email LIKE '%@%' LIMIT :limit"""
    statement = text(sql).bindparams(bindparam("some", expanding=True))
    values = {**BOUND, "store": 5, "word": "it's :july", "some": [*range(1, 300)], "limit": 3}
    [(word, count, least)] = warehouse.execute(statement, values).all()
    assert word == "it's :july%" and count > 10 and 0 < least < 300


def test_sqlalchemys_own_select_from_a_text(warehouse: Connection, counts: dict[str, int]) -> None:
    source = text("dim_customer_hist FOR SYSTEM_TIME AS OF :july AS c")
    query = select(text("count(*)")).select_from(source).where(text("c.customer_id > 0"))
    assert warehouse.execute(query, {"july": JULY}).scalar_one() == counts["AS OF {july}"]


def test_many_rows_of_parameters(warehouse: Connection) -> None:
    warehouse.execute(text("CREATE TEMP TABLE told (day timestamptz, customers bigint)"))
    insert = "INSERT INTO told SELECT :day, count(*) FROM dim_customer FOR SYSTEM_TIME AS OF :day"
    warehouse.execute(text(insert), [{"day": JULY}, {"day": AUGUST}])
    rows = warehouse.execute(text("SELECT day, customers FROM told ORDER BY day")).all()
    assert [day for day, _ in rows] == [JULY, AUGUST] and all(count > 500 for _, count in rows)


def test_pandas(lab: Medallion, counts: dict[str, int]) -> None:
    for form, count in counts.items():
        named = {name: BOUND[name] for name in re.findall(r"{(\w+)}", form)}
        plain = asked(form, **QUOTED).replace("count(*)", "customer_id, email")
        assert len(pandas.read_sql(plain, lab.warehouse)) == count
        bound = asked(form, july=":july", august=":august").replace("count(*)", "customer_id")
        assert len(pandas.read_sql(text(bound), lab.warehouse, params=named)) == count
        driver = asked(form, july="%(july)s", august="%(august)s").replace("count(*)", "customer_id")
        chunks = pandas.read_sql_query(driver, lab.warehouse, params=named, chunksize=100)
        assert sum(map(len, chunks)) == count


# --- jupysql -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_cells_and_lines(run: Callable[[str], Any], counts: dict[str, int], form: str) -> None:
    wanted = [(counts[form],)]
    for july, august in [("'2023-07-01'", "'2023-08-01'"), (":july", ":august"),
                         ("'{{day}}'", "date '{{day}}' + interval '1 month'")]:  # fmt: skip
        sql = asked(form, july=july, august=august)
        assert [tuple(row) for row in run(f"%sql {sql}")] == wanted
        split = sql.replace(" FOR ", "\nFOR ")
        assert [tuple(row) for row in run(f"%%sql\n{split};")] == wanted
        run(f"%%sql kept <<\n{sql}")
        assert [tuple(row) for row in run.names["kept"]] == wanted
        run(f"result = %sql {sql}")
        assert run.names["result"].DataFrame().iloc[0, 0] == counts[form]


def test_a_relation_named_by_the_notebook(run: Callable[[str], Any], counts: dict[str, int]) -> None:
    rows = run("%%sql\nSELECT count(*) FROM {{relation}} FOR SYSTEM_TIME AS OF :july AS c")
    assert [tuple(row) for row in rows] == [(counts["AS OF {july}"],)]


@pytest.mark.parametrize("form", FORMS)
def test_a_saved_query_is_used_by_another(
    run: Callable[[str], Any], counts: dict[str, int], form: str
) -> None:
    query = asked(form, **QUOTED).replace("count(*)", "customer_id, store_id")
    run(f"%%sql --save versions --no-execute\n{query}")
    rows = run("%%sql --with versions\nSELECT count(*) FROM versions")
    assert [tuple(row) for row in rows] == [(counts[form],)]


@pytest.mark.filterwarnings("ignore::matplotlib.MatplotlibDeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_sqlplot_draws_a_saved_query(run: Callable[[str], Any], form: str) -> None:
    matplotlib.use("agg")
    query = asked(form, **QUOTED).replace("count(*)", "customer_id, store_id")
    run(f"%%sql --save drawn --no-execute\n{query}")
    axes = run("%sqlplot histogram --table drawn --with drawn --column store_id --bins 7")
    assert sum(bar.get_height() for bar in axes.patches) > 0
    if "SYMMETRIC" not in form:  # which sqlglot, that writes a boxplot's statement, can't parse
        assert run("%sqlplot boxplot --table drawn --with drawn --column store_id") is not None
    matplotlib.pyplot.close("all")


def test_several_statements_in_one_cell(run: Callable[[str], Any], counts: dict[str, int]) -> None:
    form = "AS OF {july}"
    rows = run(f"""%%sql
        CREATE TABLE kept AS SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF '2023-07-01';
        INSERT INTO kept SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF :july AS c; -- again
        CREATE VIEW kept_now AS SELECT count(*) FROM dim_customer FOR SYSTEM_TIME AS OF '{{{{day}}}}';
        SELECT (SELECT count(*) FROM kept), (TABLE kept_now), ({asked(form, july=":july")})
        """)
    count = counts[form]
    assert [tuple(row) for row in rows] == [(2 * count, count, count)]
    [(definition,)] = run("%sql SELECT pg_get_viewdef('kept_now'::regclass)")
    assert "dim_customer__as_of('2023-07-01 00:00:00+00'" in definition


def test_explain(run: Callable[[str], Any]) -> None:
    shown = run(f"%%sql\nEXPLAIN (COSTS off) {asked('BETWEEN {july} AND {august}', **QUOTED)}")
    plan = "\n".join(line for (line,) in shown)
    assert "dim_customer_hist" in plan and "Function Scan" not in plan
    assert run(f"%sql EXPLAIN ANALYZE {asked('ALL')}")


ODD_NAMES = '''
CREATE TABLE "Kündigung" ("Straße" text, sys_start timestamptz, sys_end timestamptz);
INSERT INTO "Kündigung"
    VALUES ('alt', '2023-01-01', '2023-07-01'), ('neu', '2023-07-01', 'infinity');
CREATE VIEW "the ""view" AS SELECT "Straße" FROM "Kündigung" WHERE sys_end = 'infinity';
CREATE VIEW "名前" AS SELECT "Straße" AS 道 FROM "the ""view"'''


def test_names_that_need_quotes_and_other_search_paths(
    lab: Medallion, run: Callable[[str], Any]
) -> None:
    with lab.warehouse.begin() as connection:
        connection.exec_driver_sql(ODD_NAMES)
    assert lab.regenerate() == {}
    for name in ('"Kündigung"', 'scratch."Kündigung"', '"the ""view"', "名前", "scratch.名前"):
        for form, wanted in [("AS OF '2023-06-30'", {"alt"}), ("AS OF :july", {"neu"}),
                             ("FROM '2023-06-30' TO :july", {"alt"}), ("ALL", {"alt", "neu"}),
                             ("BETWEEN '2023-06-30' AND :july", {"alt", "neu"}),
                             ("CONTAINED IN ('2023-01-01', :july)", {"alt"})]:  # fmt: skip
            rows = run(f'%%sql\nSELECT "t ü".* FROM {name} FOR SYSTEM_TIME {form} AS "t ü"')
            assert {row[0] for row in rows} == wanted
    with lab.warehouse.connect() as connection:
        connection.execute(text("SET LOCAL search_path = public"))
        counted = "SELECT count(*) FROM silver.dim_customer FOR SYSTEM_TIME AS OF '2023-07-01'"
        assert connection.execute(text(counted)).scalar_one() > 500


# --- Drivers -----------------------------------------------------------------------------------

DRIVERS = ["psycopg2", "psycopg", "psycopg, async"]
VERSIONED = 'CREATE TABLE "now 1%" (id int PRIMARY KEY, v int) WITH (system_versioning = true)'
NOT_THERE = {
    "SELECT * FROM dim_stre FOR SYSTEM_TIME AS OF '2023-07-01'": "dim_stre has no history. These have: .*dim_customer,",
    "SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF 'June'": "invalid input syntax.*\\nAn instant is written like",
    "SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF 5": "An instant of dim_customer FOR SYSTEM_TIME AS OF … is of type integer. Cast it",
    "SELECT * FROM dim_customer FOR SYSTEM_TIME FROM now() TO 5": "SYSTEM_TIME FROM … TO … is of type integer. Cast it",
    "DO $$ BEGIN PERFORM 1 FROM dim_film FOR SYSTEM_TIME ALL; END $$": "call the table's function.*\n.*dim_customer_hist__as_of",
    "DO $$ BEGIN EXECUTE 'TABLE dim_film FOR system_time ALL'; END $$": "call the table's function",
    'TRUNCATE "now 1%"': 'TRUNCATE would remove the history of scratch."now 1%"',
    'ALTER TABLE "now 1%" DISABLE TRIGGER ALL': "needs its trigger",
    'DROP TRIGGER system_versioning_updated ON "now 1%"': "needs its trigger",
}


@contextmanager
def driven(lab: Medallion, driver: str) -> Iterator[Callable[[Callable[[Connection], None]], None]]:
    """What runs a function on an engine of this driver, each statement in a transaction of its own."""
    pytest.importorskip(driver.partition(",")[0], reason="psycopg 3 is in requirements-star.txt")
    url = lab.notebook_url.set(drivername=f"postgresql+{driver.partition(',')[0]}")
    settings = {"connect_args": {"options": f"-c search_path={SEARCH_PATH.replace(' ', '')}"},
                "isolation_level": "AUTOCOMMIT"}  # fmt: skip
    if driver == "psycopg, async":
        engine = create_async_engine(url, **settings)

        async def run_async(do: Callable[[Connection], None]) -> None:
            async with engine.connect() as connection:
                await connection.run_sync(do)
            await engine.dispose()

        yield lambda do: asyncio.run(run_async(do))
    else:
        engine = create_engine(url, **settings)

        def run_sync(do: Callable[[Connection], None]) -> None:
            with engine.connect() as connection:
                do(connection)

        yield run_sync
        engine.dispose()


def everything(counts: dict[str, int]) -> Callable[[Connection], None]:
    def do(connection: Connection) -> None:
        def one(sql: str, **values: object) -> object:
            return connection.execute(text(sql), values).scalar()

        for form, count in counts.items():
            assert one(asked(form, **QUOTED)) == count
            named = {name: BOUND[name] for name in re.findall(r"{(\w+)}", form)}
            assert one(asked(form, july=":july", august=":august"), **named) == count
            sent = asked(form, july="%s", august="%s") + " WHERE 7 %% 2 = 1"
            assert connection.exec_driver_sql(sent, tuple(named.values())).scalar() == count
            sent = asked(form, july="%(july)s", august="%(august)s")
            assert connection.exec_driver_sql(sent, named).scalar() == count
        connection.execute(text("CREATE TEMP TABLE told (day timestamptz, customers bigint)"))
        insert = "INSERT INTO told SELECT :day, count(*) FROM dim_customer FOR SYSTEM_TIME AS OF :day"
        connection.execute(text(insert), [{"day": JULY}, {"day": AUGUST}])
        assert one("SELECT count(DISTINCT customers) FROM told") == 2

        connection.execute(text(VERSIONED))
        connection.execute(text('INSERT INTO "now 1%" VALUES (:id, 1)'), [{"id": 1}, {"id": 2}])
        connection.execute(text('UPDATE "now 1%" SET v = 2 WHERE id = :id'), {"id": 1})
        assert one('SELECT count(*) FROM "now 1%" FOR SYSTEM_TIME ALL') == 3
        connection.execute(text('CREATE VIEW of_it AS SELECT sum(v) FROM "now 1%_current"'))
        assert one("SELECT sum FROM of_it FOR SYSTEM_TIME AS OF now()") == 3
        connection.execute(text('INSERT INTO "now 1%" VALUES (1, 1) ON CONFLICT (id) DO NOTHING'))
        for sql, told in NOT_THERE.items():
            with pytest.raises(MedallionError, match=f"(?s){told}"):
                connection.execute(text(sql))
        # With the words in names, and a view that reads the one of current rows.
        connection.execute(text('ALTER TABLE "now 1%" ADD COLUMN type text, ADD COLUMN drop text'))
        connection.execute(text('ALTER/**/TABLE "now 1%" ALTER COLUMN type SET DEFAULT \'DROP, RENAME\''))
        assert one('SELECT count(type) FROM "now 1%" FOR SYSTEM_TIME AS OF now()') == 0
        connection.execute(text('DROP VIEW of_it; DROP TABLE "now 1%"'))
        assert one("SELECT count(*) FROM pg_proc WHERE proname LIKE 'now 1%'") == 0

    return do


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_driver_does_all_of_it(lab: Medallion, counts: dict[str, int], driver: str) -> None:
    installed = []
    with driven(lab, driver) as run:
        def do(connection: Connection) -> None:
            system_time.install(connection.engine)
            installed.append(driver)
            everything(counts)(connection)

        run(do)
    assert installed == [driver]


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+asyncpg://", "postgresql+pg8000://"])
def test_an_engine_it_could_not_serve_is_refused_at_once(url: str) -> None:
    driver = re.search(r"\w+(?=:)", url)[0]
    if driver != "sqlite":
        pytest.importorskip(driver, reason="only where somebody has it installed")
    with pytest.raises(MedallionError, match=rf"psycopg2 or psycopg, not \S*{driver}\S*\. Write:\n.*postgresql\+psycopg2://"):
        system_time.install(create_engine(url))


def test_what_is_no_engine_is_refused_at_once(warehouse: Connection) -> None:
    for what in (warehouse, "postgresql://", None):
        with pytest.raises(MedallionError, match=f", not a {type(what).__name__}. Write:"):
            system_time.install(what)


# --- What a name means -------------------------------------------------------------------------


def test_a_name_that_another_table_hides_is_refused(warehouse: Connection, counts: dict[str, int]) -> None:
    form = "AS OF {july}"
    for made, gone in [("CREATE TEMP TABLE dim_customer_hist (a int)", "DROP TABLE pg_temp.dim_customer_hist"),
                       ("CREATE TABLE dim_customer_hist (a int)", "DROP TABLE scratch.dim_customer_hist"),
                       ("CREATE TEMP VIEW dim_customer_hist AS SELECT 1", "DROP VIEW pg_temp.dim_customer_hist")]:  # fmt: skip
        warehouse.execute(text(made))
        for each in FORMS:
            with pytest.raises(MedallionError, match=r"(?s)hides silver\.dim_customer_hist,.*FROM silver\.dim_customer_hist FOR"):
                warehouse.execute(text(asked(each, **QUOTED)))
        qualified = asked(form, **QUOTED).replace("dim_", "silver.dim_")
        assert warehouse.execute(text(qualified)).scalar_one() == counts[form]
        several = f"SELECT FROM dim_film_hist FOR SYSTEM_TIME ALL WHERE ({qualified}) > ({asked('ALL')})"
        with pytest.raises(MedallionError, match=r"hides silver\.dim_customer_hist,"):
            warehouse.execute(text(several))  # the second of its names is the hidden one
        warehouse.execute(text(gone))
        assert warehouse.execute(text(asked(form, **QUOTED))).scalar_one() == counts[form]
    warehouse.execute(text("CREATE DOMAIN scratch.dim_film AS int"))  # hides no table
    warehouse.execute(text("CREATE TABLE dim_customer_hist (id int PRIMARY KEY) WITH (system_versioning = true)"))
    assert warehouse.execute(text(asked(form, **QUOTED))).scalar_one() == 0  # it has a history itself


def test_in_a_failed_transaction_the_complaint_is_postgresqls(lab: Medallion) -> None:
    with lab.warehouse.connect() as connection:
        for sql in ("SELECT 1 / 0", asked("ALL"), "DROP TABLE dim_customer_hist"):
            with pytest.raises(DBAPIError, match=r"division by zero|transaction is aborted"):
                connection.execute(text(sql))


def test_a_snippet_of_a_tables_name_is_no_table(run: Callable[[str], Any], counts: dict[str, int]) -> None:
    query = asked("AS OF {july}", **QUOTED).replace("count(*)", "*")
    run(f"%%sql --save dim_customer_hist --no-execute\n{query}")
    with pytest.raises(Exception) as error:
        run(f"%%sql --with dim_customer_hist\n{query}")
    assert "dim_customer_hist is a query here, named by WITH" in str(error.value)
    rows = run("%%sql --with dim_customer_hist\nSELECT count(*) FROM dim_customer_hist")
    assert [tuple(row) for row in rows] == [(counts["AS OF {july}"],)]


# --- Plans -------------------------------------------------------------------------------------

POINTS = {
    "dim_customer_hist": "customer_id", "dim_customer": "customer_id",
    "dim_film_hist": "film_id", "dim_film": "film_id",
    "fact_rental": "rental_id", "fact_rental_current": "rental_id",
    "fact_payment": "payment_id", "fact_payment_current": "payment_id",
}  # fmt: skip
MONTHS = {"fact_rental": "rental_date", "fact_payment": "payment_date",
          "fact_rental_current": "rental_date", "fact_payment_current": "payment_date"}  # fmt: skip


def plan(warehouse: Connection, sql: str, **values: object) -> str:
    return "\n".join(warehouse.execute(text(f"EXPLAIN (COSTS off) {sql}"), values).scalars())


@pytest.mark.parametrize("relation", POINTS)
@pytest.mark.parametrize("instant", ["'2023-07-01'", ":july", "now() - interval '1 day'"])
def test_a_point_is_an_index_scan(warehouse: Connection, relation: str, instant: str) -> None:
    key = POINTS[relation]
    found = plan(
        warehouse,
        f"SELECT * FROM {relation} FOR SYSTEM_TIME AS OF {instant} WHERE {key} = 42",
        **{"july": JULY} if ":july" in instant else {},
    )
    assert re.search(rf"Index Cond: .*\({key} = 42\)", found), found
    assert "Function Scan" not in found
    read_whole = set(re.findall(r"Seq Scan on (\w+)", found))
    assert read_whole <= {"fact_rental_default", "fact_payment_default"}, "both are empty"


@pytest.mark.parametrize("relation", MONTHS)
def test_a_month_reads_one_partition(warehouse: Connection, relation: str) -> None:
    column, table = MONTHS[relation], relation.removesuffix("_current")
    for form in ("AS OF '2023-07-01'", "FROM '2023-07-01' TO '2023-08-01'", "ALL"):
        found = plan(
            warehouse,
            f"SELECT count(*) FROM {relation} FOR SYSTEM_TIME {form} "
            f"WHERE {column} >= '2023-06-01' AND {column} < '2023-07-01'",
        )
        assert set(re.findall(rf"\b{table}_\w+", found)) & partitions(warehouse, table) == {
            f"{table}_2023_06"
        }, found


def partitions(warehouse: Connection, table: str) -> set[str]:
    sql = f"SELECT relid::regclass::text FROM pg_partition_tree('silver.{table}') WHERE isleaf"
    return set(warehouse.exec_driver_sql(sql).scalars())
