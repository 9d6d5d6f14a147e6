"""A notebook can read everything and alter no history."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from test_commands import change

from medallion_lib import Medallion, server
from medallion_lib.shop import TABLES

pytestmark = pytest.mark.long(1)

TABLES = (
    *(f"bronze.br_{table.name}_cdc" for table in TABLES.captured),
    *(f"silver.{table.history}" for table in TABLES.versioned),
    "meta.watermark",
)
VIEWS = ("silver.dim_customer", "silver.dim_film", "silver.fact_rental_current",
         "silver.fact_payment_current", "silver.dim_store", "silver.dim_date",
         "gold.vw_monthly_revenue", "gold.vw_top_titles", "gold.vw_store_scorecard")  # fmt: skip
ALL = "(SELECT array_agg(t.*::text ORDER BY t.*::text) FROM {} AS t)"


@pytest.fixture
def filled(lab_at: Callable[[str], Medallion]) -> Medallion:
    return lab_at("2023-01-05")


@pytest.fixture
def notebook(filled: Medallion) -> Iterator[Connection]:
    """A plain connection of the notebooks' role, with nothing of ours between."""
    connection = server.connect(filled.notebook_url)
    connection.autocommit = True
    yield connection
    connection.close()


def everything(lab: Medallion) -> list[str]:
    connection = server.connect(lab.warehouse_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f"md5({ALL.format(table)}::text)" for table in TABLES))
            return list(cursor.fetchone())
    finally:
        connection.close()


def refused(connection: Connection, statement: str) -> None:
    """PostgreSQL says that the role may not; any other error would prove nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except psycopg2.errors.InsufficientPrivilege:
        return
    except psycopg2.Error as problem:
        pytest.fail(f"{statement}: {problem}")
    pytest.fail(f"it was let do this: {statement}")


def test_it_reads_every_table_and_view(filled: Medallion) -> None:
    with filled.warehouse.connect() as connection:
        for name in (*TABLES, *VIEWS):
            count = f"SELECT count(*) FROM {name}"
            assert connection.exec_driver_sql(count).scalar_one() > 0, name
            then = f"SELECT count(*) FROM {name} FOR SYSTEM_TIME AS OF '2023-01-03'"
            if name.startswith("gold.vw"):
                assert connection.exec_driver_sql(then).scalar_one() > 0, name
        partitions = "SELECT count(*) FROM silver.fact_payment_2023_01"
        assert connection.exec_driver_sql(partitions).scalar_one() > 0
        assert connection.exec_driver_sql("SELECT current_user, session_user").one() == (
            "medallion_notebook", "medallion_notebook")  # fmt: skip


def test_it_is_nobody_special(notebook: Connection) -> None:
    with notebook.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, "
                       "rolinherit, (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) "
                       "FROM pg_roles AS r WHERE rolname = current_user")  # fmt: skip
        assert cursor.fetchone() == (False, False, False, False, False, True, 0)


CHANGES = (
    "INSERT INTO {} SELECT * FROM {} LIMIT 1", "UPDATE {} SET {column} = {column}", "DELETE FROM {}",
    "TRUNCATE {}", "DROP TABLE {}", "ALTER TABLE {} ADD COLUMN mine integer", "DO $$ BEGIN LOCK TABLE {} IN EXCLUSIVE MODE; END $$",
    "CREATE INDEX ON {} ({column})", "ALTER TABLE {} OWNER TO medallion_notebook", "COPY {} FROM STDIN",
    "CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "COMMENT ON TABLE {} IS 'mine'", "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING",
    "SELECT * FROM {} FOR UPDATE",
)  # fmt: skip


def test_it_can_change_no_table(filled: Medallion, notebook: Connection) -> None:
    before = everything(filled)
    for table in TABLES:
        column = "stage" if table == "meta.watermark" else "lsn" if "bronze" in table else "sys_end"
        for statement in CHANGES:
            if statement.startswith("INSERT") and "silver.dim" in table:
                refused(notebook, f"INSERT INTO {table} (sys_end) VALUES (now())")
            else:
                refused(notebook, statement.format(table, table, column=column))
        refused_or_warned(notebook, f"GRANT ALL ON {table} TO PUBLIC")
    assert everything(filled) == before


def refused_or_warned(connection: Connection, statement: str) -> None:
    """GRANT without the right to is an error, or a warning that nothing was granted."""
    connection.notices.clear()
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except psycopg2.errors.InsufficientPrivilege:
        return
    assert any("no privileges were granted" in notice for notice in connection.notices)


ELSE = (
    *(f"CREATE TABLE {schema}.mine (a integer)" for schema in ("bronze", "silver", "gold", "meta", "public")),
    *(f"CREATE FUNCTION {schema}.now() RETURNS integer LANGUAGE sql RETURN 1"
      for schema in ("bronze", "silver", "gold", "meta", "public")),
    "CREATE SCHEMA mine", "DROP SCHEMA scratch", "ALTER SCHEMA scratch RENAME TO mine", "DROP VIEW gold.vw_top_titles",
    "CREATE OR REPLACE VIEW gold.vw_top_titles AS SELECT 1 AS film_id",
    "CREATE OR REPLACE VIEW silver.dim_film AS SELECT * FROM silver.dim_film_hist",
    "UPDATE silver.dim_customer SET email = NULL", "DELETE FROM silver.fact_payment_current",
    "DELETE FROM silver.fact_payment_2023_01", "TRUNCATE silver.fact_rental_default",
    "ALTER TABLE silver.fact_payment DETACH PARTITION silver.fact_payment_2023_01",
    "ALTER FUNCTION bronze.item_of_rental OWNER TO medallion_notebook", "DROP FUNCTION bronze.item_of_rental",
    "SET ROLE medallion", "SET SESSION AUTHORIZATION medallion", "ALTER ROLE medallion_notebook SUPERUSER",
    "ALTER ROLE medallion_notebook CREATEDB", "CREATE ROLE mine", "GRANT medallion TO medallion_notebook",
    "ALTER DATABASE {database} SET search_path = scratch", "DROP EXTENSION btree_gist", "CREATE DATABASE mine",
    "SELECT pg_read_file('PG_VERSION')", "SELECT * FROM pg_ls_dir('.')", "COPY (SELECT 1) TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'true'", "SELECT lo_import('/etc/passwd')", "SELECT * FROM pg_authid",
    "SELECT pg_drop_replication_slot('medallion')", "SELECT pg_create_physical_replication_slot('mine')",
    "SELECT pg_reload_conf()", "ALTER SYSTEM SET fsync = off", "SET session_replication_role = replica",
    "CREATE EXTENSION dblink", "CREATE EXTENSION file_fdw", "CHECKPOINT", "SELECT pg_switch_wal()",
)  # fmt: skip


def test_it_can_do_nothing_else(filled: Medallion, notebook: Connection) -> None:
    for statement in ELSE:
        refused(notebook, statement.replace("{database}", filled.warehouse_name))


def test_reset_role_leaves_it_what_it_is(notebook: Connection) -> None:
    with notebook.cursor() as cursor:
        cursor.execute("RESET ROLE; RESET SESSION AUTHORIZATION")
        cursor.execute("SELECT current_user::text")
        assert cursor.fetchone() == ("medallion_notebook",)
    refused(notebook, "DELETE FROM silver.dim_customer_hist")


def test_it_cannot_end_the_capture(filled: Medallion, notebook: Connection) -> None:
    owner = server.connect(filled.warehouse_url)
    refused(notebook, f"SELECT pg_terminate_backend({owner.info.backend_pid})")
    refused(notebook, f"SELECT pg_cancel_backend({owner.info.backend_pid})")
    owner.close()


def test_it_creates_and_writes_in_scratch_without_naming_it(filled: Medallion) -> None:
    with filled.warehouse.begin() as connection:
        for statement in (
            "CREATE TABLE mine AS SELECT * FROM dim_film", "UPDATE mine SET title = 'Mine'",
            "CREATE VIEW my_view AS SELECT count(*) FROM mine",
            "CREATE FUNCTION one() RETURNS integer LANGUAGE sql RETURN 1",
            "ALTER TABLE mine ADD more text", "DELETE FROM mine WHERE film_id > 10",
        ):  # fmt: skip
            connection.exec_driver_sql(statement)
    with filled.warehouse.connect() as connection:
        found = connection.exec_driver_sql("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'")
        assert found.scalars().all() == ["scratch"]
        assert connection.exec_driver_sql("SELECT count FROM my_view").scalar_one() == 10
        connection.exec_driver_sql("DROP TABLE mine CASCADE")


def test_a_table_of_our_name_in_scratch_deceives_only_the_notebook(filled: Medallion) -> None:
    names = [name.split(".")[1] for name in (*TABLES, *VIEWS)]
    with filled.warehouse.begin() as connection:
        truth = connection.exec_driver_sql("SELECT sum(total_revenue) FROM vw_monthly_revenue").scalar_one()
        for name in names:
            connection.exec_driver_sql(f"CREATE TABLE {name} (a integer)")
        for name in ("jsonb_strip_nulls(jsonb)", "hashtextextended(text, bigint)", "sum(numeric)"):
            connection.exec_driver_sql(
                f"CREATE FUNCTION scratch.{name} RETURNS bigint LANGUAGE sql RETURN 0")
    with filled.warehouse.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM dim_film").scalar_one() == 0
        marts = "SELECT pg_catalog.sum(total_revenue) FROM gold.vw_monthly_revenue"
        assert connection.exec_driver_sql(marts).scalar_one() == truth
    change(filled.source, "UPDATE customer SET email = 'after@example' WHERE customer_id = 42")
    assert filled.capture().rows == 1
    assert {done.table: done.updated for done in filled.merge() if done.updated} == {"dim_customer_hist": 1}
    filled.regenerate()
    filled.status()
    with filled.warehouse.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP TABLE {name}")
        email = "SELECT email FROM dim_customer WHERE customer_id = 42"
        assert connection.exec_driver_sql(email).scalar_one() == "after@example"


def test_the_engine_is_in_utc_whatever_the_client_says(
    filled: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Kolkata")
    monkeypatch.setenv("PGOPTIONS", "-c timezone=America/Los_Angeles -c search_path=public")
    other = Medallion.open(filled.name)
    with other.warehouse.connect() as connection:
        assert connection.exec_driver_sql("SHOW timezone").scalar_one() == "UTC"
        assert connection.exec_driver_sql("SELECT count(*) FROM dim_film").scalar_one() == 1000
    other.close()
