"""The real Pagila is restored by psql into a plain database and watched as it is.

Its data is not part of the project.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest
from test_pagila import DUMP, ROWS
from psycopg2 import sql
from test_random_schemas import WORKER, source_of

from medallion_lib import Medallion, databases, server, sqlfile
from medallion_lib.server import libpq
from medallion_lib.tables import Table

# As its makers have it: types of its own, columns that fill themselves, foreign keys that cascade.
PLAIN = """
CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE DOMAIN year AS integer CHECK (VALUE BETWEEN 1901 AND 2155);
CREATE TABLE actor (actor_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL, {updated});
CREATE TABLE country (country_id serial PRIMARY KEY, country text NOT NULL, {updated});
CREATE TABLE city (city_id serial PRIMARY KEY, city text NOT NULL, country_id integer NOT NULL, {updated});
CREATE TABLE address (address_id serial PRIMARY KEY, address text NOT NULL, address2 text, district text NOT NULL,
                      city_id integer NOT NULL, postal_code text, phone text NOT NULL, {updated});
CREATE TABLE category (category_id serial PRIMARY KEY, name text NOT NULL, {updated});
CREATE TABLE store (store_id serial PRIMARY KEY, manager_staff_id integer NOT NULL, address_id integer NOT NULL, {updated});
CREATE TABLE customer (customer_id serial PRIMARY KEY, store_id integer NOT NULL, first_name text NOT NULL,
                       last_name text NOT NULL, email text, address_id integer NOT NULL, activebool boolean NOT NULL DEFAULT true,
                       create_date date NOT NULL DEFAULT CURRENT_DATE, {updated}, active integer);
CREATE TABLE language (language_id serial PRIMARY KEY, name character(20) NOT NULL, {updated});
CREATE TABLE film (film_id serial PRIMARY KEY, title text NOT NULL, description text, release_year year,
                   language_id integer NOT NULL, original_language_id integer, rental_duration smallint NOT NULL DEFAULT 3,
                   rental_rate numeric(4, 2) NOT NULL DEFAULT 4.99, length smallint,
                   replacement_cost numeric(5, 2) NOT NULL DEFAULT 19.99, rating mpaa_rating DEFAULT 'G', {updated},
                   special_features text[], fulltext tsvector NOT NULL);
CREATE TABLE film_actor (actor_id integer, film_id integer, {updated}, PRIMARY KEY (actor_id, film_id));
CREATE TABLE film_category (film_id integer, category_id integer, {updated}, PRIMARY KEY (film_id, category_id));
CREATE TABLE inventory (inventory_id serial PRIMARY KEY, film_id integer NOT NULL, store_id integer NOT NULL, {updated});
CREATE TABLE staff (staff_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL, address_id integer NOT NULL,
                    email text, store_id integer NOT NULL, active boolean NOT NULL DEFAULT true, username text NOT NULL,
                    password text, {updated}, picture bytea);
CREATE TABLE rental (rental_id serial PRIMARY KEY, rental_date timestamptz NOT NULL, inventory_id integer NOT NULL,
                     customer_id integer NOT NULL, return_date timestamptz, staff_id integer NOT NULL, {updated});
CREATE TABLE payment (payment_id serial, customer_id integer NOT NULL, staff_id integer NOT NULL, rental_id integer NOT NULL,
                      amount numeric(5, 2) NOT NULL, payment_date timestamptz, PRIMARY KEY (payment_date, payment_id))
    PARTITION BY RANGE (payment_date);
{months}
"""
UPDATED = "last_update timestamptz NOT NULL DEFAULT now()"
MONTH = "CREATE TABLE payment_p2022_0{0} PARTITION OF payment FOR VALUES FROM ('2022-0{0}-01 00:00Z') TO ('2022-0{1}-01 00:00Z');"
EDITS = (
    "UPDATE film SET rental_rate = rental_rate + 1, rating = 'R' WHERE film_id % 7 = 0",
    "DELETE FROM film_actor WHERE actor_id = 1; UPDATE film_actor SET film_id = film_id + 1000 WHERE actor_id = 2",
    "UPDATE payment SET amount = 0, payment_date = payment_date + interval '1 month' WHERE payment_date < '2022-03-01'",
    "BEGIN; DELETE FROM rental; ROLLBACK; BEGIN; SAVEPOINT a; TRUNCATE inventory; ROLLBACK TO a; "
    "UPDATE inventory SET store_id = 3 WHERE film_id < 9; COMMIT",
    "TRUNCATE payment_p2022_05; INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date) "
    "SELECT customer_id, 1, rental_id, 9.99, '2022-05-05' FROM rental WHERE rental_id < 100",
    "UPDATE staff SET picture = decode(repeat('00ff', 4000), 'hex') WHERE staff_id < 4; UPDATE staff SET active = false",
    "INSERT INTO language (name) VALUES ('Klingon'); UPDATE customer SET email = NULL; TRUNCATE film_category",
)


Sums = dict[str, tuple[int, int]]  # by table, how many rows there are, and a sum of their hashes


def summed(table: Table, of: sql.Composable) -> sql.Composed:
    """The query of a table's rows, at the source or here."""
    row = sql.SQL("ROW({})::text").format(sqlfile.identifiers(each.name for each in table.columns))
    query = "SELECT {}, count(*), coalesce(sum(hashtextextended({}, 0)), 0)::text FROM {}"
    return sql.SQL(query).format(sql.Literal(table.name), row, of)


def at_source(lab: Medallion, tables: tuple[Table, ...]) -> tuple[str, Sums]:
    with server.session(lab.source_url) as cursor:
        cursor.execute(sqlfile.each((summed(table, table.source) for table in tables), between=" UNION ALL "))
        sums = {name: of for name, *of in cursor.fetchall()}
        cursor.execute("SELECT clock_timestamp()::text")
        return cursor.fetchone()[0], sums


def as_of(lab: Medallion, tables: tuple[Table, ...], at: str) -> Sums:
    of = sql.SQL("{} FOR SYSTEM_TIME AS OF {}")
    each = (summed(table, of.format(table.silver, sql.Literal(at))) for table in tables)
    with server.session(lab.warehouse_url) as cursor:
        query = sqlfile.each(each, between=" UNION ALL ").as_string(cursor)
    with lab.warehouse.connect() as connection:
        return {name: of for name, *of in connection.exec_driver_sql(query)}


@pytest.mark.slow
@pytest.mark.skipif(not DUMP.exists(), reason="the real Pagila's data is not beside the checkout")
def test_the_real_pagila_is_watched_without_an_edit(record_property: Callable[[str, object], None]) -> None:
    """Its 15 tables are as of eight instants what they were at the source then."""
    months = "\n".join(MONTH.format(month, month + 1) for month in range(1, 9))
    with source_of("pagila") as source:
        with databases.administering(source) as cursor:
            cursor.execute(PLAIN.format(updated=UPDATED, months=months))
        psql = [Medallion.open().place.binaries / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", DUMP, libpq(source)]
        subprocess.run(psql, check=True)
        lab = Medallion.find(f"pagila_{WORKER}", source=source)
        begun = lab.watch(yes=True)
        tables = begun.tables.each
        try:
            assert {table.name for table in tables} == ROWS.keys()
            assert begun.rows == sum(ROWS.values())
            copies = [at_source(lab, tables)]
            for edit in EDITS:
                with databases.administering(source) as cursor:
                    cursor.execute(edit)
                copies.append(at_source(lab, tables))
            assert lab.verify() == []
            for at, then in copies:
                assert as_of(lab, tables, at) == then
            record_property("rows", begun.rows)
        finally:
            lab.close()
            lab.unwatch(yes=True)
            with databases.administering(lab.place.url) as cursor:
                databases.drop(cursor, lab.warehouse_name)
